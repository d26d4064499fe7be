#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The image runs as any user, on a read-only root, without a network: phantoms in, a verdict for each out.
set -eu
data=$(mktemp -d)
chmod 777 "$data"

in_image() {
    docker run --rm --read-only --tmpfs /tmp --network none --user 12345:12345 --volume "$data:/data" "$@"
}

in_image facebids --version
in_image --entrypoint facebids-phantom facebids /data/phantoms \
    --participants 1 --sessions 1 --modalities T1w FLAIR --seed 1
in_image facebids /data/phantoms /data/defaced participant --work-dir /data/intermediate
in_image facebids /data/phantoms /data/defaced group --work-dir /data/intermediate
cat "$data/defaced/group_identifiability.tsv"
