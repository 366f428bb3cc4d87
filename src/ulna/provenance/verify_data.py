"""Are data and bundles those of a receipt, and do they still give the same probabilities?"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.bundle import read_bundle
from ulna.calibration.cross_fit import cross_fit, run_fold
from ulna.config.engine import EngineSettings
from ulna.errors import BundleError
from ulna.evaluation.collect import collect_rows, row_of_outputs
from ulna.evaluation.rows import StudyRow
from ulna.provenance.receipt import Receipt, describe_data
from ulna.provenance.verify import Check
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

# Another processor or another version of onnxruntime rounds otherwise, in float32.
PROBABILITY_TOLERANCE = 1e-4
_NAMED = 3
Progress = Callable[[int, int], None]


def used_studies(rows: Sequence[StudyRow], studies: Sequence[Study]) -> list[Study]:
    """Those of the data's studies that predictions answer, in the rows' order."""
    there = {s.key: s for s in studies}
    return [there[r.key] for r in rows if r.key in there]


def check_data(receipt: Receipt, rows: Sequence[StudyRow], used: Sequence[Study]) -> list[Check]:
    """Every study is there, with the label that it was scored by; then all contents by hash."""
    there = {s.key: s.abnormal for s in used}
    gone = [r.key for r in rows if r.key not in there]
    other = [r.key for r in rows if r.key in there and there[r.key] != r.abnormal]
    checks = [
        Check("studies of the data", not gone, _listed(gone, len(rows), "are not there", "there")),
        Check("labels of the data", not other, _listed(other, len(rows), "differ", "equal")),
    ]
    if receipt.data is None:
        return checks
    result = describe_data(used, "", "").sha256
    same = result == receipt.data.sha256
    message = f"SHA-256 {result[:12]}..."
    if not same:
        message += f", expected {receipt.data.sha256[:12]}...: keys, labels, names or images differ"
    return [*checks, Check("contents of the data", same, message)]


def check_bundles(receipt: Receipt, places: Mapping[str, Path]) -> list[Check]:
    """Each bundle by its hash, which covers its graphs. places: folder by the receipt's name."""
    checks = []
    for name, expected in receipt.bundles.items():
        if name not in places:
            checks.append(Check(f"bundle {name}".strip(), None, "not compared: give --bundle"))
            continue
        checks.append(_bundle(name, places[name], expected))
    return checks


def _bundle(name: str, place: Path, expected: str) -> Check:
    subject = f"bundle {name}".strip()
    try:
        result = read_bundle(place).hash
    except BundleError as error:
        return Check(subject, False, str(error))
    message = f"hash {result[:12]}..."
    if result != expected:
        message += f", expected {expected[:12]}...: another bundle, or calibrated since"
    return Check(subject, result == expected, message)


def choose_studies(used: Sequence[Study], n: int | None, seed: int) -> list[Study]:
    """`n` of the studies at random, in order, or all."""
    if n is None or n >= len(used):
        return list(used)
    chosen = set(random.Random(seed).sample(range(len(used)), n))
    return [s for i, s in enumerate(used) if i in chosen]


def check_answers(
    rows: Sequence[StudyRow],
    studies: Sequence[Study],
    bundle: Path,
    point: str,
    engine: EngineSettings,
    report: Progress,
) -> Check:
    """The bundle's probabilities of `studies`, asked again. engine: that they came from."""
    from ulna.runtime import Predictor

    result, _ = collect_rows(Predictor.load(bundle, engine), studies, point, report)
    return _answers("probabilities asked again", rows, result, whole=True)


def check_fold_answers(
    rows: Sequence[StudyRow],
    studies: Sequence[Study],
    folds: Mapping[str, Path],
    point: str,
    report: Progress,
) -> Check:
    """Out-of-fold probabilities of `studies`, asked again of the fold's own bundle.

    folds: bundle by fold ('fold0'). If all rows are asked again, fusion and thresholds are fitted
    again too; else the experts' probabilities before fusion are compared. A study whose images
    cannot be read any more differs.
    """
    from ulna.runtime import Predictor

    fold_of = {r.key: r.split for r in rows}
    names = sorted(folds, key=lambda n: int(n.removeprefix("fold")))
    predictors: list[Predictor] = []
    outputs = []
    faults: list[StudyRow] = []
    done = 0
    for name in names:
        own = [s for s in studies if fold_of[s.key] == name]
        predictors.append(Predictor.load(folds[name]))
        message, unreadable = run_fold(predictors[-1], own)
        outputs.append(message)
        faults += unreadable
        done += len(own)
        report(done, len(studies))
    whole = len(studies) == len(rows)
    if whole:
        numbers = [int(n.removeprefix("fold")) for n in names]
        result = cross_fit(predictors, outputs, point, numbers)
        subject = "probabilities and fusion asked again"
        return _answers(subject, rows, [*result, *faults], whole=True)
    requested = zip(predictors, outputs, strict=True)
    result = [row_of_outputs(p, o, point) for p, own in requested for o in own]
    return _answers("experts' probabilities asked again", rows, [*result, *faults], whole=False)


def _answers(
    subject: str, rows: Sequence[StudyRow], result: Sequence[StudyRow], whole: bool
) -> Check:
    """whole: the calibrated probability and the experts'; else the experts' alone."""
    reported = {r.key: r for r in rows}
    gaps = {f.key: _gap(f, reported[f.key], whole) for f in result}
    far = sorted(
        (k for k, g in gaps.items() if not g <= PROBABILITY_TOLERANCE), key=lambda k: -gaps[k]
    )
    most = max(gaps.values(), default=0.0)
    of = f"{len(gaps)} of {len(rows)} studies, largest difference {most:.1e}"
    if not far:
        return Check(subject, True, f"{of}, at most {PROBABILITY_TOLERANCE:g} allowed")
    named = ", ".join(f"{k} by {gaps[k]:.2g}" for k in far[:_NAMED])
    return Check(
        subject, False, f"{of}: {len(far)} differ by over {PROBABILITY_TOLERANCE:g}: {named}"
    )


def _gap(result: StudyRow, reported: StudyRow, whole: bool) -> float:
    """Largest difference of two rows' probabilities; infinite where one of them has none."""
    one, other = dict(result.experts), dict(reported.experts)
    for row, values in ((result, one), (reported, other)):
        if whole and row.given is not None:
            values["hybrid"] = row.given.probability
    if set(one) != set(other):
        return float("inf")
    return max((abs(one[n] - other[n]) for n in one), default=0.0)


def _listed(keys: Sequence[str], of: int, bad: str, good: str) -> str:
    if not keys:
        return f"all {of} {good}"
    more = ", ..." if len(keys) > _NAMED else ""
    return f"{len(keys)} of {of} {bad}: {', '.join(keys[:_NAMED])}{more}"
