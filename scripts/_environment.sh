# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it. They set $root, the checkout, and call `prepare` to get an environment in $root/.venv
# with the packages of requirements.txt, or `prepare NAME` for those of requirements-NAME.txt (dev, video); its commands
# are in $bin.
# Needs Python with its venv module, or uv; installs nothing elsewhere.
# shellcheck shell=sh

# use_environment FOLDER: another place for the environment.
use_environment() {
    venv=$1
    bin="$venv/bin"
}
use_environment "$root/.venv"

stop() {
    echo "$*" >&2
    exit 1
}

# wanted LOCK: the stamp includes the checkout's place, as a virtual environment does not survive being moved.
wanted() {
    { echo "$root"; cat "$root/pyproject.toml" "$root/$1"; } | cksum
}

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11; do
        if is_supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "FaceBIDS needs Python 3.11, 3.12 or 3.13, and found $(python3 --version 2>/dev/null || echo 'no Python')."
}

make_environment() {
    python=$(find_python)
    rm -rf "$venv"
    if command -v uv >/dev/null; then
        uv venv --quiet --python "$python" "$venv"
    elif "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    else
        stop "Python's venv module is missing: install it (on Debian or Ubuntu: sudo apt install python3-venv), or install uv."
    fi
}

# uv makes environments without pip, so one whose uv has gone is of no use.
is_usable() {
    [ "$(cat "$venv/place" 2>/dev/null)" = "$root" ] && "$bin/python" -c '' 2>/dev/null &&
        { command -v uv || "$bin/python" -m pip --version; } >/dev/null 2>&1
}

install() (
    cd "$root"
    if command -v uv >/dev/null; then
        uv pip install --quiet --python "$bin/python" "$@"
    else
        "$bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
)

# prepare [NAME]: the stamp is written last, so that an interrupted set-up is repeated.
prepare() {
    lock="requirements${1:+-$1}.txt"
    stamp="$venv/ready${1:+-$1}"
    if "$bin/python" -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted "$lock")" ]; then
        return
    fi
    echo "Setting up $venv, once for this $lock (a few minutes) ..." >&2
    if ! is_usable; then
        make_environment
        echo "$root" >"$venv/place"
    fi
    # The lock is complete. pip would compare it with releases that are newer, and stop at some.
    install --no-deps --require-hashes --requirement "$lock"
    install --no-deps --editable .
    wanted "$lock" >"$stamp"
}
