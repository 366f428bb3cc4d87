#!/usr/bin/env bash
# scripts/setup.sh EXTRAS: makes .venv and installs Ulna with EXTRAS (all, dev), once for each
# state of pyproject.toml and constraints.txt. Quick when nothing is to do.
# PYTHON=... chooses the interpreter; otherwise the first Python >= 3.11 that runs is taken.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${1:?usage: scripts/setup.sh all|dev}

say() { echo "setup: $*" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "no Python 3.11 or newer found: install one (Debian: apt-get install python3) or set PYTHON=/path/to/python"
    return 1
}

# install_debian PACKAGE...: with root or sudo where this is Debian, else says what is missing.
install_debian() {
    local root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "missing system packages: $*; ask an administrator to install them, then repeat"
            return 1
        fi
        root=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        say "missing system packages (Debian names): $*; install their like and repeat"
        return 1
    fi
    say "installing system packages: $*"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

make_venv() {
    local python version
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        install_debian "python$version-venv" || return 1
    fi
    say "making .venv with Python $version"
    "$python" -m venv --clear .venv
}

fingerprint() {
    { cat pyproject.toml constraints.txt scripts/setup.sh; pwd; } | sha256sum | cut -c1-16
}

installed() { # a dev installation holds everything that `all` asks for
    [ -x .venv/bin/python ] && [ -x .venv/bin/ulna ] || return 1
    [ -e ".venv/installed-dev-$1" ] || [ -e ".venv/installed-$extras-$1" ]
}

state=$(fingerprint)
installed "$state" && exit 0
.venv/bin/python -c 'import pip' 2>/dev/null || make_venv
say "installing Ulna with the extra '$extras' (the first time this fetches several GB and takes minutes)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]" --constraint constraints.txt
# OpenCV (behind grad-cam) is the one wheel that may lack system libraries on a bare machine.
if ! .venv/bin/python -c 'import cv2' 2>/dev/null; then
    install_debian libgl1 libglib2.0-0
    .venv/bin/python -c 'import cv2'
fi
rm -f .venv/installed-"$extras"-*
touch ".venv/installed-$extras-$state"
say "done"
