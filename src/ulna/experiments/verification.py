"""Reported numbers recomputed from their receipt: the function behind `ulna verify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.datasets import index_data
from ulna.errors import DatasetError, VerificationError
from ulna.evaluation.groups import column_groups
from ulna.evaluation.table_reading import read_predictions
from ulna.experiments.progress import Progress, silent
from ulna.provenance import verify_data
from ulna.provenance.receipt import Receipt, find_receipt, read_receipt
from ulna.provenance.verify import Check, check_code, check_files, check_numbers
from ulna.provenance.verify_data import check_bundles

if TYPE_CHECKING:
    from ulna.evaluation.scores import Json
    from ulna.types import Study

_NO_POINT = "the receipt's method has no operating_point: damaged; use the original"


@dataclass(frozen=True)
class Verified:
    """The result of a verification. file: the receipt. checks: `equal` is None if not compared."""

    file: Path
    receipt: Receipt
    checks: Sequence[Check]

    @property
    def wrong(self) -> list[Check]:
        """The checks that differ."""
        return [c for c in self.checks if c.equal is False]

    def check(self) -> None:
        """Raise VerificationError where anything differs."""
        if wrong := self.wrong:
            raise VerificationError(
                f"{len(wrong)} of {len(self.checks)} checks of {self.file} differ (first: "
                f"{wrong[0].what}): expected results equal to the receipt's; restore the originals "
                "or run its command again"
            )


def verify(
    results: Path,
    *,
    data: Path | None = None,
    bundle: Path | None = None,
    studies: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Verified:
    """Recompute the numbers of a folder of results from its receipt, and compare.

    Every file is compared by its SHA-256; scores and intervals are recomputed from predictions.csv
    with the same bootstrap draws.

    Args:
        results: The folder, or its receipt.json.
        data: The data: labels, images and groups are compared too.
        bundle: The bundle; with `data` it predicts again. A cross-validation uses the bundles of
            its own folds, and needs only `data`.
        studies: Number of studies predicted again, at random; None for all.
        seed: Seed of the choice of these studies.
        progress: Called often with (stage, done, total); the stage is 'predict'.

    Returns:
        The checks. Differences are not raised: see `Verified.check`.

    Raises:
        ConfigError: No receipt, or one that cannot be read.
        DatasetError: Data that cannot be read.

    Example::

        verified = verify(Path("runs/first/evaluation"), data=Path("phantoms"))
        verified.check()  # VerificationError where anything differs
    """
    file = find_receipt(results)
    receipt = read_receipt(file)
    checks = _checks(receipt, file.parent, data, bundle, (studies, seed), progress or silent)
    return Verified(file, receipt, checks)


def _checks(
    receipt: Receipt,
    folder: Path,
    data: Path | None,
    bundle: Path | None,
    sample: tuple[int | None, int],
    progress: Progress,
) -> list[Check]:
    """Return all checks that data and bundle allow. sample: number of studies, and their seed."""
    groups: Json | None = None
    used: list[Study] = []
    if data is not None:
        used = index_data(data)
        groups = column_groups(data, used, receipt.method.get("by", ()))
    places = {n: folder / n for n in receipt.bundles if n}
    if bundle is not None:
        places[""] = bundle
    checks = [check_code(receipt), *check_files(receipt, folder)]
    checks += check_numbers(receipt, folder, groups)
    checks += check_bundles(receipt, places)
    if data is not None and receipt.kind in ("evaluate", "crossval"):
        checks += _prediction_checks(receipt, folder, used, places, sample, progress)
    return checks


def _prediction_checks(
    receipt: Receipt,
    folder: Path,
    studies: Sequence[Study],
    places: dict[str, Path],
    sample: tuple[int | None, int],
    progress: Progress,
) -> list[Check]:
    inside = "evaluation" if receipt.kind == "crossval" else ""
    try:
        rows = read_predictions(folder / inside / "predictions.csv")
    except DatasetError as error:
        return [Check("data", False, str(error))]
    used = verify_data.used_studies(rows, studies)
    checks = verify_data.check_data(receipt, rows, used)
    chosen = verify_data.choose_studies(used, *sample)
    point = str(receipt.method.get("operating_point", ""))
    # Receipts of earlier versions do not record the engine, of which there was only one.
    engine = EngineSettings.parse(str(receipt.method.get("engine", PORTABLE)))
    folds = {n.removesuffix("/bundle"): p for n, p in places.items() if n.startswith("fold")}
    if not chosen or not (folds or "" in places):
        message = "not compared: " + ("no studies" if not chosen else "give --bundle")
        return [*checks, Check("probabilities predicted again", None, message)]
    if not point:
        return [*checks, Check("probabilities predicted again", False, _NO_POINT)]
    on_progress = partial(progress, "predict")
    if folds:
        check = verify_data.check_fold_answers(rows, chosen, folds, point, on_progress)
    else:
        check = verify_data.check_answers(rows, chosen, places[""], point, engine, on_progress)
    return [*checks, check]
