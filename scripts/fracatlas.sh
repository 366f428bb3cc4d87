#!/usr/bin/env bash
# The real-film bundle from nothing: [QUICK=1] scripts/fracatlas.sh DATA OUT
# DATA holds table.csv and lower_limb.csv (docs/results/real.md). Started again, it goes on.
# The bundle is OUT/folds/bundle, its student OUT/student/bundle, or OUT/student/refused where the
# gate refuses it (docs/student.md). QUICK=1 makes a bad one of the same build in a few minutes: small
# films, few phantoms, one epoch; to see that data and machine are in order before hours go into it.
set -euo pipefail
data=${1:?give the folder that holds table.csv and lower_limb.csv}
out=${2:-runs/fracatlas${QUICK:+-quick}} # never the phantoms of one for the other
jobs=$(nproc)
ulna=.venv/bin/ulna
# Large tensors come and go in every step of training: kept by the allocator and in large pages they
# cost a third less time (glibc 2.35 and later; ignored elsewhere).
export GLIBC_TUNABLES="glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184"
for table in table.csv lower_limb.csv; do
    [ -f "$data/$table" ] || { echo "$data/$table: no such file: see docs/results/real.md" >&2; exit 2; }
done
# Films that show no upper limb teach the bundle to refuse such (docs/refusal.md).
elsewhere=(--outliers "$data/lower_limb.csv")
[ ! -f "$data/other.csv" ] || elsewhere+=(--outliers "$data/other.csv")
studies=1750 trunk=() trunk0=() every=() pupil=()
if [ -n "${QUICK:-}" ]; then
    studies=40
    # The mean over the last ten steps: that over 500 would be little else than random weights.
    trunk=(--set input_spec.size=160 --set experts.cnn.epochs=1 --set experts.cnn.ema_decay=0.9)
    trunk0=(--set input_spec.size=160 --set experts.lite0.epochs=1 --set experts.lite0.ema_decay=0.9)
    every=(--set input_spec.size=160 --set 'experts.*.epochs=1' --set 'experts.*.ema_decay=0.9')
    pupil=("${every[@]}")
fi
mkdir -p "$out"
if [ ! -f "$out/cassettes/truth.csv" ]; then
    "$ulna" phantom "$out/cassettes" --studies "$studies" --seed 20262 --size 448 --framing plate \
        --parts ELBOW,FOREARM,HAND,HUMERUS,SHOULDER --valid-share 0.05
fi
"$ulna" train "$out/cassettes" --recipe plate_phantoms "${trunk[@]}" --out "$out/trunk-phantom" --resume
"$ulna" train "$data/lower_limb.csv" --recipe lower_limb "${trunk[@]}" \
    --initial "run:$out/trunk-phantom" --out "$out/trunk" --resume
"$ulna" train "$data/lower_limb.csv" --recipe lower_limb_lite0 "${trunk0[@]}" \
    --out "$out/trunk-lite0" --resume
"$ulna" crossval "$data/table.csv" --recipe fracatlas "${every[@]}" --initial "run:$out/trunk" \
    --initial "lite0=run:$out/trunk-lite0" --initial lite0_plain=imagenet \
    --initial lite0_whole=imagenet --out "$out/folds" \
    --jobs $((jobs < 5 ? jobs : 5)) --by hardware --by source_width:1000 "${elsewhere[@]}"
pupil+=(--recipe fracatlas_student --initial "run:$out/folds")
"$ulna" distil --folds "$out/folds" "${pupil[@]}" --out "$out/student-folds"
"$ulna" distil "$out/folds/bundle" "$data/table.csv" "${pupil[@]}" --out "$out/student" \
    --proof "$out/student-folds" "${elsewhere[@]}" ${QUICK:+--accept} || [ $? -eq 5 ]
