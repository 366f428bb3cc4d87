#!/usr/bin/env bash
# The real-film bundle from nothing: scripts/fracatlas.sh DATA OUT
# DATA holds table.csv and lower_limb.csv (docs/results/real.md). Started again, it goes on.
set -euo pipefail
data=${1:?give the folder that holds table.csv and lower_limb.csv}
out=${2:-runs/fracatlas}
jobs=$(nproc)
ulna=.venv/bin/ulna
for table in table.csv lower_limb.csv; do
    [ -f "$data/$table" ] || { echo "$data/$table: no such file: see docs/results/real.md" >&2; exit 2; }
done
mkdir -p "$out"
if [ ! -f "$out/cassettes/truth.csv" ]; then
    "$ulna" phantom "$out/cassettes" --studies 1750 --seed 20262 --size 448 --film cassette \
        --parts ELBOW,FOREARM,HAND,HUMERUS,SHOULDER --valid-share 0.05
fi
"$ulna" train "$out/cassettes" --recipe cassettes --out "$out/trunk-phantom" --resume
"$ulna" train "$data/lower_limb.csv" --recipe lower_limb \
    --initial "run:$out/trunk-phantom" --out "$out/trunk" --resume
"$ulna" crossval "$data/table.csv" --recipe fracatlas --initial "run:$out/trunk" \
    --out "$out/folds" --jobs $((jobs < 5 ? jobs : 5)) --by hardware --by source_width:1000
