"""Verify that data and bundles are those of a receipt, and still give the same probabilities."""

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

# Another processor or another version of onnxruntime rounds float32 differently.
PROBABILITY_TOLERANCE = 1e-4
_NAMED = 3
Progress = Callable[[int, int], None]


def used_studies(rows: Sequence[StudyRow], studies: Sequence[Study]) -> list[Study]:
    """Return the studies that have predictions, in the order of the rows."""
    known = {s.key: s for s in studies}
    return [known[r.key] for r in rows if r.key in known]


def check_data(receipt: Receipt, rows: Sequence[StudyRow], used: Sequence[Study]) -> list[Check]:
    """Check that every study is present with the same label, and compare a hash of contents."""
    label = {s.key: s.abnormal for s in used}
    gone = [r.key for r in rows if r.key not in label]
    other = [r.key for r in rows if r.key in label and label[r.key] != r.abnormal]
    checks = [
        Check("studies of the data", not gone, _listed(gone, len(rows), "are missing", "present")),
        Check("labels of the data", not other, _listed(other, len(rows), "differ", "equal")),
    ]
    if receipt.data is None:
        return checks
    actual = describe_data(used, "", "").sha256
    same = actual == receipt.data.sha256
    message = f"SHA-256 {actual[:12]}..."
    if not same:
        message += f", expected {receipt.data.sha256[:12]}...: keys, labels, names or images differ"
    return [*checks, Check("contents of the data", same, message)]


def check_bundles(receipt: Receipt, folders: Mapping[str, Path]) -> list[Check]:
    """Compare each bundle's hash, which covers its graphs; folders are by name in the receipt."""
    checks = []
    for name, expected in receipt.bundles.items():
        if name not in folders:
            checks.append(Check(f"bundle {name}".strip(), None, "not compared: give --bundle"))
            continue
        checks.append(_bundle(name, folders[name], expected))
    return checks


def _bundle(name: str, folder: Path, expected: str) -> Check:
    subject = f"bundle {name}".strip()
    try:
        actual = read_bundle(folder).hash
    except BundleError as error:
        return Check(subject, False, str(error))
    message = f"hash {actual[:12]}..."
    if actual != expected:
        message += f", expected {expected[:12]}...: another bundle, or calibrated since"
    return Check(subject, actual == expected, message)


def choose_studies(used: Sequence[Study], n: int | None, seed: int) -> list[Study]:
    """Return `n` random studies in their order, or all for None."""
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
    progress: Progress,
) -> Check:
    """Recompute the bundle's probabilities of `studies` with `engine`, and compare them."""
    from ulna.runtime import Predictor

    recomputed, _ = collect_rows(Predictor.load(bundle, engine), studies, point, progress)
    return _compared("probabilities predicted again", rows, recomputed, whole=True)


def check_fold_answers(
    rows: Sequence[StudyRow],
    studies: Sequence[Study],
    folds: Mapping[str, Path],
    point: str,
    progress: Progress,
) -> Check:
    """Recompute out-of-fold probabilities of `studies` with each fold's bundle, and compare them.

    folds are bundles by fold ('fold0'). If all rows are recomputed, so are fusion and thresholds.
    Otherwise the experts' probabilities before fusion are compared. A study whose images can no
    longer be read counts as different.
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
        read, unreadable = run_fold(predictors[-1], own)
        outputs.append(read)
        faults += unreadable
        done += len(own)
        progress(done, len(studies))
    if len(studies) == len(rows):
        numbers = [int(n.removeprefix("fold")) for n in names]
        recomputed = [*cross_fit(predictors, outputs, point, numbers), *faults]
        return _compared("probabilities and fusion predicted again", rows, recomputed, whole=True)
    pairs = zip(predictors, outputs, strict=True)
    recomputed = [row_of_outputs(p, o, point) for p, own in pairs for o in own] + faults
    return _compared("experts' probabilities predicted again", rows, recomputed, whole=False)


def _compared(
    subject: str, rows: Sequence[StudyRow], recomputed: Sequence[StudyRow], whole: bool
) -> Check:
    """Compare the probabilities of experts and, if `whole`, the calibrated ones too."""
    reported = {r.key: r for r in rows}
    gaps = {f.key: _gap(f, reported[f.key], whole) for f in recomputed}
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


def _gap(recomputed: StudyRow, reported: StudyRow, whole: bool) -> float:
    """Return the largest difference of two rows' probabilities, infinite where one lacks any."""
    one, other = dict(recomputed.experts), dict(reported.experts)
    for row, values in ((recomputed, one), (reported, other)):
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
