"""The receipts that verbs write beside their results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.experiments.results import EVALUATION_FILES, read_metrics

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.experiments.crossval_steps import CrossvalFolder
    from ulna.provenance.receipt import DataRecord, InputFile, Kind
    from ulna.report.sections.folders import Included
    from ulna.training.audit import AuditPlan
    from ulna.types import Study

_COMMAND: ContextVar[tuple[str, ...]] = ContextVar("command", default=("python",))


@contextmanager
def named_command(command: Sequence[str]) -> Iterator[None]:
    """Have the receipts that are written inside name `command` as what made the results.

    command: a program and its arguments, as given; `ulna` names itself so. OutlierExamples of this
    a receipt names 'python', since a call from Python has no command line of its own. Example::

        with named_command(["python", "study.py", "--seed", "3"]):
            evaluate(data, bundle, out)
    """
    before = _COMMAND.set(tuple(command))
    try:
        yield
    finally:
        _COMMAND.reset(before)


def evaluation_receipt(
    out: Path, data: Path, words: str, studies: Sequence[Study], included: Sequence[Included] = ()
) -> None:
    """Write the receipt of `ulna evaluate`.

    words: which studies these are. included: other verbs' results that the report shows.
    """
    from ulna.provenance.receipt import describe_data

    metrics = read_metrics(out)
    _write(
        out,
        "evaluate",
        method_of(metrics),
        EVALUATION_FILES,
        data=describe_data(studies, data.name, words),
        bundles={"": metrics["bundle"]["hash"]},
        inputs={
            f"{one.name}: {file.name}": input_file(file, out)
            for one in included
            for file in one.files
        },
    )


def method_of(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers of metrics.json beside data and bundle."""
    return {
        "engine": metrics["engine"],
        "arithmetic": metrics["arithmetic"],
        "operating_point": metrics["operating_point"],
        "body_parts": list(metrics["body_parts"]),
        "draws": metrics["intervals"]["draws"],
        "seed": metrics["intervals"]["seed"],
        "level": metrics["intervals"]["level"],
    }


def crossval_receipt(
    folder: CrossvalFolder, data: Path, by: Sequence[str], others: Mapping[str, Path]
) -> None:
    """Write the receipt of `ulna crossval`."""
    from ulna.bundle import read_bundle
    from ulna.evaluation.left_out import source_names
    from ulna.provenance.receipt import describe_data

    settings = folder.settings
    names = [f"evaluation/{n}" for n in EVALUATION_FILES]
    names += ["crossval.json", "scores.json", "split.json", "data.json"]
    names += [f"left_out/{s}/{n}" for s in settings.leave_out for n in EVALUATION_FILES]
    bundles = ["bundle", *(f"fold{k}/bundle" for k in folder.requested)]
    requested = {s.key for k in folder.requested for s in folder.folds[k]}
    studies = [s for s in folder.labelled if s.key in requested]
    words = f"folds {', '.join(map(str, folder.requested))} of {settings.folds}"
    _write(
        folder.out,
        "crossval",
        method_of(read_metrics(folder.evaluation))
        | {"folds": settings.folds, "fold_seed": settings.fold_seed, "by": list(by)}
        | {"recipe": settings.recipe.name, "recipe_seed": settings.recipe.seed}
        | {"sources": list(source_names(folder.labelled)), "left_out": list(settings.leave_out)},
        names,
        data=describe_data(studies, data.name, words),
        bundles={n: read_bundle(folder.out / n).hash for n in bundles},
        inputs={f"against {n}": input_file(f, folder.out) for n, f in others.items()},
    )


def score_receipt(out: Path, labels: Path, predictions: Path, phantoms: bool) -> None:
    """Write the receipt of `ulna score --out`."""
    from ulna.evaluation.scores import Resampling

    how = Resampling()
    _write(
        out,
        "score",
        {"draws": how.draws, "seed": how.seed, "level": 0.95, "phantoms": phantoms},
        ["score.json"],
        inputs={"labels": input_file(labels, out), "predictions": input_file(predictions, out)},
    )


def stress_receipt(
    out: Path, data: Path, words: str, studies: Sequence[Study], result: Mapping[str, Any]
) -> None:
    """Write the receipt of `ulna stress`. found: what stress.json holds."""
    from ulna.provenance.receipt import describe_data

    _write(
        out,
        "stress",
        method_of(result) | {"sample": result["sample"]},
        ("stress.json", "stress.csv", "stress.png", "stress.html"),
        data=describe_data(studies, data.name, words),
        bundles={"": result["bundle"]["hash"]},
    )


def review_receipt(out: Path, data: Path, predictions: Path, studies: Sequence[Study]) -> None:
    """Write the receipt of `ulna review`."""
    from ulna.provenance.receipt import describe_data

    _write(
        out,
        "review",
        {},
        ("review.csv", "review.html"),
        data=describe_data(studies, data.name, "answered out of fold"),
        inputs={"predictions": input_file(predictions, out)},
    )


def examination_receipt(
    out: Path, data: Path, words: str, studies: Sequence[Study], bundle: ModelBundle
) -> None:
    """Write the receipt of `ulna examine`. bundle: with its verdict."""
    from ulna.provenance.receipt import describe_data

    _write(
        out,
        "examine",
        {},
        ("examination.json", "examination.png"),
        data=describe_data(studies, data.name, words),
        bundles={"": bundle.hash},
    )


def audit_receipt(out: Path, data: Path, studies: Sequence[Study], plan: AuditPlan) -> None:
    """Write the receipt of `ulna audit`."""
    from ulna.config.codec import to_json
    from ulna.provenance.receipt import describe_data

    words = "all labelled ones"
    seen = describe_data(studies, data.name, words)
    _write(out, "audit", to_json(plan), ("audit.json", "audit.png"), data=seen)


def input_file(file: Path, out: Path) -> InputFile:
    """The file that was read, by its place seen from `out`; absolute where so given."""
    from ulna.digest import file_sha256
    from ulna.provenance.receipt import InputFile

    path = str(file) if file.is_absolute() else Path(os.path.relpath(file, out)).as_posix()
    return InputFile(path, file_sha256(file))


def _write(
    out: Path,
    kind: Kind,
    method: Mapping[str, Any],
    names: Iterable[str],
    *,
    data: DataRecord | None = None,
    bundles: Mapping[str, str] | None = None,
    inputs: Mapping[str, InputFile] | None = None,
) -> None:
    """OUT/receipt.json. names: of the files that it vouches for; the rest as in Receipt."""
    from ulna.provenance.receipt import Receipt, code_versions, hash_files, write_receipt

    receipt = Receipt(
        kind=kind,
        command=_COMMAND.get(),
        code=code_versions(),
        method=method,
        files=hash_files(out, names),
        data=data,
        bundles=bundles or {},
        inputs=inputs or {},
    )
    write_receipt(receipt, out)
