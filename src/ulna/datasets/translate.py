"""Translate labels of a source to finding labels and to the meaning of a bundle's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ulna.config.meaning import ANY
from ulna.datasets.listing import listed
from ulna.datasets.source_rows import ABNORMAL, Role, Source
from ulna.datasets.table import read_columns
from ulna.datasets.table_row import RowFault, read_label
from ulna.datasets.table_text import is_table
from ulna.errors import DatasetError
from ulna.types import FindingCategory, ImageRef, Study

_Known = dict[FindingCategory, bool]


def studies_of_source(
    studies: Sequence[Study], source: Source, answer: FindingCategory | None
) -> list[Study]:
    """Return the `studies` of a source with labels in the meaning that several sources share.

    `answer` is the finding that abnormal is to mean, None for any abnormality. A finding is present
    or absent where the label, `findings` or a column of its own says so, and otherwise unknown:

    - a label that means one finding determines that finding and no other;
    - a label that means any abnormality determines that a normal study has no finding;
    - `abnormal` becomes whether the study has the finding `answer`, or, for None, any finding.

    Boxes and masks of findings other than `answer` are removed, since they would train the heat
    map on something else. Raises DatasetError for a column that the source's table lacks, a cell
    in it that is not a label or contradicts the label or `findings`, and a source whose label is
    known to have another meaning (MURA, phantoms).
    """
    if {s.label_means for s in studies} - {"", source.label_means or ANY}:
        raise DatasetError(
            f"source {source.name!r}: label_means {source.label_means}: the label of "
            f"{source.place} means any abnormality: expected {ABNORMAL}"
        )
    cells = _finding_cells(source)
    columns = [_from_columns([cells.get(i.path, {}) for i in s.images]) for s in studies]
    _check_columns_agree(studies, columns, source)
    return [_translated(s, source, answer, c) for s, c in zip(studies, columns, strict=True)]


def _check_columns_agree(
    studies: Sequence[Study], columns: Sequence[_Known], source: Source
) -> None:
    """Raise DatasetError for columns that contradict labels; normal with hardware is allowed."""
    clashes = []
    for study, column in zip(studies, columns, strict=True):
        known = _known_findings(study, source.label_means)
        clashes += [
            f"{study.key}: {c} by its column {'present' if column[c] else 'absent'}"
            for c in FindingCategory
            if c in known and c in column and known[c] != column[c]
            and (known[c] or c == source.label_means)
        ]  # fmt: skip
    if clashes:
        raise DatasetError(
            f"source {source.name!r}: in {len(clashes)} studies a column contradicts the label or "
            f"`findings`: expected both to agree, or an empty cell:{listed(clashes)}"
        )


def _translated(
    study: Study, source: Source, answer: FindingCategory | None, columns: _Known
) -> Study:
    known = _known_findings(study, source.label_means) | columns
    label = known.get(answer) if answer else _any_finding(study, source.label_means, known)
    if source.role == Role.UNLABELLED:
        known = {}
    named = {c for c, shown in known.items() if shown}
    teaches = source.role in (Role.TRAIN, Role.TEST)
    means = source.label_means
    return replace(
        study,
        patient_id=f"{source.name}.{study.patient_id}",
        study_id=f"{source.name}.{study.study_id}",
        images=tuple(_without_others(i, frozenset(named), means, answer) for i in study.images),
        abnormal=label if teaches else None,
        split="test" if source.role == Role.TEST else study.split,
        categories=frozenset(named) if known else None,
        unknown=frozenset(FindingCategory) - known.keys() if known else frozenset(),
        source=source.name,
        weight=source.weight,
        label_means=answer or ANY,
    )


def _known_findings(study: Study, means: FindingCategory | None) -> _Known:
    if means is None:
        if study.categories is not None:
            known = frozenset(FindingCategory) - study.unknown
            return {c: c in study.categories for c in known}
        return dict.fromkeys(FindingCategory, False) if study.abnormal is False else {}
    named = dict.fromkeys(study.categories or (), True)
    return named if study.abnormal is None else {**named, means: study.abnormal}


def _any_finding(study: Study, means: FindingCategory | None, known: _Known) -> bool | None:
    """Whether anything is abnormal, None where a source that labels one finding reports none."""
    if means is None:
        return study.abnormal
    return True if any(known.values()) else None


def _without_others(
    image: ImageRef,
    named: frozenset[FindingCategory],
    means: FindingCategory | None,
    answer: FindingCategory | None,
) -> ImageRef:
    """Return the image with the boxes and mask of the finding `answer` only."""
    if answer is None or named == {answer}:
        return image
    kept = tuple(f for f in image.findings if (f.category or means) == answer)
    return replace(image, findings=kept, mask=image.mask if means == answer else None)


def _finding_cells(source: Source) -> dict[Path, dict[FindingCategory, bool | None]]:
    """Return the finding labels in the columns of a source's table, for each image's path."""
    if not is_table(source.place):
        if source.columns:
            raise DatasetError(
                f"source {source.name!r}: finding_columns: expected a table, and {source.place} is "
                "not one"
            )
        return {}
    rows = read_columns(source.place)
    names = set(next(iter(rows.values()), {}))
    if missing := sorted({*source.columns.values()} - names):
        raise DatasetError(
            f"source {source.name!r}: {source.place} has no column {missing[0]!r}: expected one "
            f"of {', '.join(sorted(names))}"
        )
    columns = {c: c.value for c in FindingCategory if c.value in names} | dict(source.columns)
    return {
        path: {c: _cell(source, path, name, cells[name]) for c, name in columns.items()}
        for path, cells in rows.items()
    }


def _cell(source: Source, path: Path, column: str, text: str) -> bool | None:
    try:
        return read_label(text, column)
    except RowFault as fault:
        raise DatasetError(f"source {source.name!r}: {path}: {fault}") from None


def _from_columns(views: Sequence[Mapping[FindingCategory, bool | None]]) -> _Known:
    """Combine the labels of a study's views: present in any view, absent only if in all."""
    known: _Known = {}
    for category in FindingCategory:
        labels = [v.get(category) for v in views]
        if True in labels:
            known[category] = True
        elif all(label is False for label in labels):
            known[category] = False
    return known
