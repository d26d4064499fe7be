#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The image has the version on its label and at most 900 MB, and runs as any user, on a read-only root and input, without a
# network: it makes phantoms, defaces them, prints the verdicts and writes a release. The image is `facebids` of Docker; where
# there is no Docker, it is built here with buildah on a base that debootstrap makes, and run in a sandbox by bubblewrap
# (on Debian, as root: apt install buildah debootstrap bubblewrap).
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
largest=900 # MB
data=$(mktemp -d)
chmod 777 "$data"
mkdir -m 777 "$data/phantoms"

if docker info >/dev/null 2>&1; then
    size=$(docker inspect --format '{{ .Size }}' facebids)
    label=$(docker inspect --format '{{ index .Config.Labels "org.opencontainers.image.version" }}' facebids)

    # in_image OPTION COMMAND [ARGUMENT ...]: with the phantoms writable (rw) or not (ro)
    in_image() {
        phantoms="$data/phantoms:/data/phantoms:$1"
        command=$2
        shift 2
        docker run --rm --read-only --tmpfs /tmp --network none --user 12345:12345 --volume "$data:/data" \
            --volume "$phantoms" --entrypoint "$command" facebids "$@"
    }
else
    trap 'rm -rf "$data/image"' EXIT
    "$root/scripts/image-without-docker" "$data/image"
    size=$(cat "$data/image/size")
    label=$(cat "$data/image/version")

    in_image() {
        phantoms=--bind
        [ "$1" = rw ] || phantoms=--ro-bind
        shift
        bwrap --unshare-all --uid 12345 --gid 12345 --clearenv --ro-bind "$data/image/root" / --proc /proc --dev /dev \
            --tmpfs /tmp --bind "$data" /data "$phantoms" "$data/phantoms" /data/phantoms --chdir /tmp \
            --args 9 -- "$@" 9<"$data/image/environment"
    }
fi

if [ "$size" -gt "${largest}000000" ]; then
    echo "The image has $size bytes, more than $largest MB." >&2
    exit 1
fi
echo "image: $((size / 1000000)) MB"
for command in facebids facebids-phantom facebids-quiz facebids-verify; do
    version=$(in_image ro "$command" --version)
    if [ "$version" != "$command $label" ]; then
        echo "The image is labelled $label, but says: $version" >&2
        exit 1
    fi
done
# all packages of the server are there, and it says what is missing
if said=$(in_image ro facebids-quiz serve /data/none 2>&1) || [ "$said" = "${said#*is not the folder of a quiz}" ]; then
    echo "The quiz in the image says: $said" >&2
    exit 1
fi
in_image rw facebids-phantom /data/phantoms/bids --participants 2 --sessions 1 --modalities T1w --seed 1
in_image ro facebids /data/phantoms/bids /data/defaced participant --work-dir /data/intermediate
in_image ro facebids /data/phantoms/bids /data/defaced group --work-dir /data/intermediate \
    --release-dir /data/upload/dataset --exclude-failed
in_image ro facebids-verify /data/upload/CERTIFICATE.json /data/upload/dataset
cat "$data/defaced/group_identifiability.tsv"
