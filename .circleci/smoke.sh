#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The image has the version on its label, and runs as any user, on a read-only root, without a network: it makes phantoms,
# defaces them and prints the verdicts.
set -eu
data=$(mktemp -d)
chmod 777 "$data"

in_image() {
    docker run --rm --read-only --tmpfs /tmp --network none --user 12345:12345 --volume "$data:/data" "$@"
}

label=$(docker inspect --format '{{ index .Config.Labels "org.opencontainers.image.version" }}' facebids)
for command in facebids facebids-phantom facebids-verify; do
    version=$(in_image --entrypoint "$command" facebids --version)
    if [ "$version" != "$command $label" ]; then
        echo "The image is labelled $label, but says: $version" >&2
        exit 1
    fi
done
in_image --entrypoint facebids-phantom facebids /data/phantoms \
    --participants 1 --sessions 1 --modalities T1w FLAIR --seed 1
in_image facebids /data/phantoms /data/defaced participant --work-dir /data/intermediate
in_image facebids /data/phantoms /data/defaced group --work-dir /data/intermediate
cat "$data/defaced/group_identifiability.tsv"
