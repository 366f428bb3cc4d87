#!/usr/bin/env bash
# The bundle in the package from nothing: scripts/box_bundle.sh [OUT]
# Phantoms of all seven regions, one expert, calibration; the result replaces
# src/ulna/bundle/demonstration. About 10 minutes on two idle cores. Started again, it goes on.
# One thread for the numbers: some kernels round differently with more.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/box}
python=${PYTHON:-.venv/bin/python}
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
ulna() { "$python" -m ulna "$@"; }
mkdir -p "$out"
if [ ! -f "$out/phantoms/truth.csv" ]; then
    ulna phantom "$out/phantoms" --studies 1050 --seed 20265 --parts all --size 224 --valid-share 0.1
fi
ulna train "$out/phantoms" --recipe demonstration --out "$out/run" --resume
ulna export "$out/run" --out "$out/bundle"
ulna calibrate "$out/bundle" --run "$out/run" --data "$out/phantoms"
ulna evaluate "$out/phantoms" --bundle "$out/bundle" --run "$out/run" --out "$out/evaluation"
rm -rf src/ulna/bundle/demonstration
cp -R "$out/bundle" src/ulna/bundle/demonstration
ulna info src/ulna/bundle/demonstration
