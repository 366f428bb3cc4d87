#!/usr/bin/env bash
# Writes constraints.txt: the exact versions in .venv, without Ulna itself, without the GPU
# libraries (torch names its own) and without local version suffixes, so that any build of the
# same release satisfies them.
set -euo pipefail
cd "$(dirname "$0")/.."
{
    echo "# Exact versions of a tested environment; written by scripts/constraints.sh."
    .venv/bin/python -m pip freeze --exclude-editable --exclude ulna --exclude pip --exclude setuptools |
        grep -E '^[A-Za-z0-9._-]+==' |
        grep -v -i -E '^(nvidia|cuda|triton|types-)' |
        sed -E 's/\+[A-Za-z0-9.]+$//'
} >constraints.txt.partial
mv constraints.txt.partial constraints.txt
echo "constraints.txt: $(grep -c == constraints.txt) packages"
