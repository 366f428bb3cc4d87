"""The calls of scripts/golden.py: every verb of the command line, in an order that feeds itself.

A line is `name | arguments of ulna`, or `name !code | ...` where it must fail so. A line with '@'
prepares: `@copy FROM TO`, `@write FILE TEXT`. {words} in braces are below: {out} is a folder of the
call's own, for one that must be refused. Names begin with their verb.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TINY = "--set precision=32-true --set minutes=0 --set input_spec.size=64"
_CNN = "--set experts.{0}.encoder=cnn --set experts.{0}.epochs=1 --set experts.{0}.batch_size=16"
# A second `cnn` in place of the demo's other encoder, on whole films.
_WHOLE = "crop_size=0 crop_share=0 hard_negatives_every=0 input_scale=1"
MACROS = {
    "two": f"--recipe demo --initial random {_TINY} {_CNN.format('cnn')} {_CNN.format('lite0')} "
    "--set experts.cnn.crop_size=32 "
    + " ".join(f"--set experts.lite0.{change}" for change in _WHOLE.split())
    + """ --set 'fractions={"train":0.4,"tune":0.1,"calibration":0.5}'""",
    "taught": f"--recipe student {_TINY} {_CNN.format('student')}",
    "split": """--set 'fractions={"train":0.6,"tune":0,"calibration":0.4}'""",
    "alone": '--set distillation={} --set \'body_parts=["ELBOW","WRIST"]\'',
    "means": "--set abnormal_means=fracture",
    "b": "--bundle run/bundle",
}

WALK = """
version | --version
help | --help
help-of-nothing !2 |
help-unknown-verb !2 | nosuchverb
info | info
info-json | info --json

phantom | phantom films --studies 100 --seed 4 --size 96
phantom-json | phantom arms --studies 7 --seed 3 --parts all --framing plate --size 96 \
 --findings fracture --without cast,marker --valid-share 1 --json
phantom-folder-in-use !3 | phantom films --studies 4 --seed 4 --size 96
phantom-part !2 | phantom {out} --studies 4 --seed 1 --parts LEG
phantom-finding !2 | phantom {out} --studies 4 --seed 1 --findings cancer
phantom-none !2 | phantom {out} --studies 0 --seed 1

info-phantoms | info films
info-phantoms-json | info films --json
info-table | info data/table.csv
info-table-json | info data/table.csv --json
info-sources | info several/sources.csv
info-dicom | info visit
info-dicom-json | info visit --json
info-missing !3 | info nowhere
info-empty !3 | info empty
info-broken-table !3 | info data/broken.csv

train | train films {two} --out run
train-folder-in-use !2 | train films {two} --out run
train-resume | train films {two} --out run --resume
train-recipe-file | train films --recipe run/recipe.json --set seed=7 --out again
train-unknown-recipe !2 | train films --recipe nosuch --out {out}
train-unknown-setting !2 | train films {two} --out {out} --set nothing=1
train-bad-setting !2 | train films {two} --out {out} --set seed=much
train-weights-missing !2 | train films {two} --out {out} --initial cnn=file:nowhere.pth
train-encoders !2 | train films --recipe demonstration --encoders vgg19 --out {out}
train-missing !3 | train nowhere {two} --out {out}
train-broken-table !3 | train data/broken.csv {two} --out {out}
train-no-out !2 | train films {two}

export | export run --out run/bundle
export-half | export run --out half --weights float16
export-missing !2 | export nowhere --out {out}
@copy run/bundle bare
@copy run/bundle other
calibrate | calibrate run/bundle --run run --data films --outliers several/away/table.csv
calibrate-json | calibrate other --run run --data films --disagreement 0.2 --json
calibrate-other-data !2 | calibrate other --run run --data data/table.csv
calibrate-missing !5 | calibrate nowhere --run run --data films
info-bundle | info run/bundle
info-bundle-json | info run/bundle --json
info-uncalibrated | info bare

predict | predict {film}
predict-json | predict {film} --json
predict-refused | predict odd/photo.png odd/blank.png odd/inverted.png
predict-refused-json | predict odd/photo.png odd/blank.png odd/inverted.png --json
predict-unreadable !4 | predict odd/text.png
predict-unreadable-json !4 | predict odd/half.png --json
predict-one-unreadable !10 | predict {film} odd/half.png
predict-one-unreadable-json !10 | predict {film} odd/half.png --json
predict-missing !4 | predict nowhere.png
predict-empty !3 | predict empty
predict-empty-path !2 | predict ''
predict-dicom !10 | predict visit
predict-dicom-json !10 | predict visit --json
predict-folder | predict films {b}
predict-folder-json | predict films {b} --json --recognise
predict-uncalibrated | predict {film} --bundle bare
predict-maps | predict {film} {b} --out maps --finding-maps
predict-maps-json | predict odd {b} --out maps-odd --json
predict-worklist | predict films {b} --worklist --error-rate 0.3
predict-part-json | predict {film} {b} --body-part wrist --operating-point sensitive --json
predict-cascade | predict films --bundle other --cascade
predict-cascade-missing !2 | predict {film} --bundle bare --cascade
predict-table | predict films {b} --table answers.csv --workers 1
predict-table-again | predict films {b} --table answers.csv --workers 1
predict-table-parquet !10 | predict visit odd {b} --table answers.parquet --workers 1
predict-table-json !2 | predict films {b} --table {out}.csv --json
predict-openvino | predict {film} {b} --engine openvino:fp32:1 --json
predict-engine !2 | predict {film} --engine nosuch
predict-operating-point !2 | predict {film} {b} --operating-point best
predict-bundle-missing !5 | predict {film} --bundle nowhere
predict-finding-maps-alone !2 | predict {film} {b} --finding-maps

stress | stress films {b} --out stress --studies 4
stress-json | stress data/table.csv {b} --out stress-table --studies 2 --seed 3 --by hardware \
 --by source_width:600 --json
stress-by !2 | stress data/table.csv {b} --out {out} --by metal
stress-missing !3 | stress nowhere {b} --out {out}
@copy run/bundle examined
@copy run/bundle examined-too
examine | examine films --bundle examined --run run --out examination --studies 6
examine-json | examine data/table.csv --bundle examined-too --out examination-table \
 --studies 3 --json
examine-normal !3 | examine data/normal.csv --bundle examined --out {out}
info-examined | info examined
predict-examined | predict {film} --bundle examined --out maps-examined
audit | audit films --out audit --epochs 2 --images 8 --size 32
audit-json | audit data/table.csv --out audit-table --epochs 2 --images 8 --size 32 --json
audit-epochs !2 | audit films --out {out} --epochs 1
score | score --labels scores/labels.csv --predictions scores/answers.csv --out scored
score-json | score --labels scores/labels.csv --predictions scores/answers.csv --json
score-legacy | score --labels scores/labels.csv --predictions scores/answers.csv --legacy-ci
score-missing !3 | score --labels scores/labels.csv --predictions scores/few.csv
score-no-file !3 | score --labels nowhere.csv --predictions scores/few.csv

evaluate | evaluate films {b} --out evaluation
evaluate-json | evaluate data/table.csv {b} --out evaluation-table --split all --json
evaluate-cascade | evaluate films --bundle other --run run --out evaluation-cascade --cascade
evaluate-include | evaluate films {b} --out evaluation-all --include stress --include examination \
 --include audit --include scored --operating-point sensitive
evaluate-all | evaluate films {b} --out evaluation-flattered --split all
@copy own damaged
@write damaged/3.png 'no film'
evaluate-one-unreadable !10 | evaluate damaged/table.csv {b} --out evaluation-damaged
evaluate-missing !5 | evaluate films --bundle nowhere --out {out}
evaluate-data-missing !3 | evaluate nowhere {b} --out {out}
evaluate-include-missing !2 | evaluate films {b} --out {out} --include empty
score-own | score --labels films/valid_labeled_studies.csv \
 --predictions evaluation/predictions.csv --json

verify | verify evaluation
verify-json | verify evaluation --json
verify-asked | verify evaluation --data films {b} --studies 3
verify-stress | verify stress
verify-examination-json | verify examination --bundle examined --json
verify-score | verify scored
verify-other-bundle !9 | verify evaluation --data films --bundle other
@copy evaluation tampered
@write tampered/metrics.json {{}}
verify-tampered !9 | verify tampered
verify-tampered-json !9 | verify tampered --json
verify-missing !2 | verify empty

adapt | adapt run/bundle own/table.csv --out adapted
adapt-json | adapt run/bundle own/table.csv --out adapted-heads --heads --freedom 2 --json
adapt-unlabelled !2 | adapt run/bundle visit --out {out}
info-adapted | info adapted-heads
quantise | quantise run/bundle --data films --run run --out int8 --images 32 --left 0.8
quantise-refused !5 | quantise run/bundle --data films --out {out} --images 8
quantise-json | quantise run/bundle --data films --out int8-too --images 8 --left 0.9 --json
quantise-other-data !2 | quantise run/bundle --data data/table.csv --out {out} --images 8
quantise-no-run !2 | quantise bare --data films --out {out} --images 8
info-int8 | info int8
predict-int8 | predict {film} --bundle int8 --engine onnxruntime:int8 --json
explain | explain films --run run --out explained --studies 1
explain-json | explain films --run run --out explained-too --studies 1 --json
explain-missing !2 | explain films --run nowhere --out {out}
selfsupervise | selfsupervise films own/table.csv --recipe demonstration --out selfsupervised \
 --epochs 1 --set batch_size=16 --set projection=16 --set crop_size=32 \
 --set precision=32-true --set input_spec.size=64
selfsupervise-setting !2 | selfsupervise films --recipe demonstration --out {out} --set crop=3

crossval | crossval {work}/data/table.csv {taught} {alone} --folds 2 --out one --by hardware
crossval-json | crossval data/table.csv {taught} {alone} --folds 2 --out two --set seed=50 \
 --against one --outliers several/away/table.csv --json
crossval-again | crossval {work}/data/table.csv {taught} {alone} --folds 2 --out one --by hardware
crossval-only | crossval data/table.csv {taught} {alone} --folds 3 --out part --only 0 \
 --only 2 --initial run:selfsupervised --also beside/table.csv
crossval-start !2 | crossval data/table.csv {taught} {alone} --folds 3 --out {out} \
 --initial run:one
crossval-sources | crossval several/sources.csv {taught} {alone} {means} --folds 2 --out left \
 --leave-out away
crossval-by !2 | crossval data/table.csv {taught} {alone} --folds 2 --out {out} --by metal
crossval-folds !2 | crossval data/table.csv {taught} {alone} --folds 1 --out {out}
crossval-other-settings !2 | crossval data/table.csv {taught} {alone} --folds 3 --out one
crossval-source !2 | crossval several/sources.csv {taught} {alone} --out {out} --leave-out nosuch
crossval-missing !3 | crossval nowhere.csv {taught} {alone} --out {out}
verify-crossval | verify one --data data/table.csv --studies 4
predict-folds | predict data/0.png --bundle one/bundle --json
@copy one three
ensemble | ensemble one two --out both
ensemble-json | ensemble one two --out mean --fusion mean --against one --by hardware --json
ensemble-data !2 | ensemble one left --out {out}
ensemble-alone !2 | ensemble one --out {out}
ensemble-same !5 | ensemble one three --out {out}
ensemble-part !2 | ensemble one part --out {out}
review | review data/table.csv --from one --out review
review-json | review data/table.csv --from one/evaluation/predictions.csv --out review-table \
 --top 3 --json
review-missing !2 | review data/table.csv --from nowhere --out {out}
review-seen !3 | review films --from evaluation --out {out}
verify-review | verify review
evaluate-review | evaluate data/table.csv --bundle one/bundle --out evaluation-review \
 --split all --include review

distil | distil run/bundle own/table.csv {taught} {split} --out student --accept \
 --also beside/table.csv --gate several/atlas/table.csv
distil-again-json | distil run/bundle own/table.csv {taught} {split} --out student --accept \
 --also beside/table.csv --gate several/atlas/table.csv --json
distil-refused !5 | distil run/bundle own/table.csv {taught} {split} --out student \
 --also beside/table.csv --gate several/atlas/table.csv
distil-folds | distil --folds one {taught} --out students
distil-proof | distil one/bundle data/table.csv {taught} --proof students --out whole --accept
distil-no-gate !2 | distil run/bundle own/table.csv {taught} --out {out}
distil-only !2 | distil run/bundle own/table.csv {taught} {split} --only 1 --out {out}
info-student | info whole/bundle
predict-student | predict own/0.png own/2.png --bundle whole/bundle --json

demo | demo --data films --recipe run/recipe.json --out demo
demo-again | demo --data films --recipe run/recipe.json --out demo
demo-few !2 | demo --studies 3 --out {out}
demo-missing !3 | demo --data nowhere --out {out}
"""


@dataclass(frozen=True)
class Call:
    """One call of `ulna`; code: what it must exit with. verb '@copy', '@write': a preparation."""

    name: str
    words: tuple[str, ...]
    code: int = 0


def calls(work: Path, only: str = WALK) -> Iterator[Call]:
    """The walk, in order. A film is looked up when its call comes, as phantoms are made before."""
    for line in filter(None, only.replace("\\\n", "").splitlines()):
        if line.startswith("@"):
            verb, *words = shlex.split(line.format(**MACROS))
            yield Call(verb, tuple(words))
            continue
        named, _, said = line.partition("|")
        name, _, code = named.partition("!")
        film = next(iter(sorted((work / "films/valid").rglob("*.png"))), work / "none")
        name = name.strip()
        here = {"film": film.relative_to(work), "work": work, "out": f"refused-{name}"}
        yield Call(name, tuple(shlex.split(said.format(**here, **MACROS))), int(code or 0))


def verb_of(call: Call, verbs: frozenset[str]) -> str:
    """The verb that it asks for; '' for none."""
    return next((word for word in call.words[:1] if word in verbs), "")
