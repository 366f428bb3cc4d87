#!/usr/bin/env bash
# What each step of transfer brings to one encoder: scripts/ladder.sh DATA OUT [ENCODER [--set KEY=VALUE ...]]
# The same folds from four starts: random, phantoms, lower limb, both; each beside random. For an
# encoder other than cnn three more: ImageNet, ImageNet then phantoms, ImageNet then lower limb.
# DATA as for scripts/fracatlas.sh, whose cassettes in OUT are used. Started again, it goes on.
# JOBS folds at a time (1); ONLY="0 1" for some of the folds.
#   scripts/ladder.sh fracatlas runs/fracatlas resnet50 --set input_spec.size=224 --set precision=bf16-mixed
#   JOBS=2 ONLY="0 1" scripts/ladder.sh fracatlas runs/fracatlas tf_efficientnet_lite0 \
#       --set experts.cnn.crop_size=128 --set experts.cnn.frozen_stages=3 --set experts.cnn.epochs=12
set -euo pipefail
data=${1:?give the folder that holds table.csv and lower_limb.csv}
out=${2:?give the folder of scripts/fracatlas.sh}
encoder=${3:-cnn}
changes=(--set "experts.cnn.encoder=$encoder" "${@:4}")
ulna=.venv/bin/ulna
own=$out/ladder-$encoder
only=()
for k in ${ONLY:-}; do only+=(--only "$k"); done
[ -f "$out/cassettes/truth.csv" ] || { echo "$out/cassettes is missing: run scripts/fracatlas.sh first" >&2; exit 2; }

trunk() { # name, data, recipe, initial weights
    "$ulna" train "$2" --recipe "$3" "${changes[@]}" --initial "$4" --out "$own/trunk-$1" --resume
}
folds() { # name, initial weights, other options; 10: studies without an answer, which it names
    "$ulna" crossval "$data/table.csv" --recipe fracatlas_cnn "${changes[@]}" --initial "$2" \
        --out "$own/$1" --cache "$own/cache" --jobs "${JOBS:-1}" \
        --by hardware --by source_width:1000 "${only[@]}" "${@:3}" || [ $? -eq 10 ]
}
trunk phantom "$out/cassettes" plate_phantoms random
trunk lower "$data/lower_limb.csv" lower_limb random
trunk both "$data/lower_limb.csv" lower_limb "run:$own/trunk-phantom"
folds random random
for start in phantom lower both; do
    folds "$start" "run:$own/trunk-$start" --against "$own/random"
done
[ "$encoder" != cnn ] || exit 0
folds imagenet imagenet --against "$own/random"
trunk imagenet-phantom "$out/cassettes" plate_phantoms imagenet
trunk imagenet-lower "$data/lower_limb.csv" lower_limb imagenet
for start in imagenet-phantom imagenet-lower; do
    folds "$start" "run:$own/trunk-$start" --against "$own/imagenet" --against "$own/random"
done
