"""Traits of images by which studies are grouped: view, pixel size, marker, cast, polarity."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from ulna.datasets.dispatch import data_kind
from ulna.datasets.phantoms import TRUTH
from ulna.datasets.table import read_columns
from ulna.errors import DatasetError, DatasetWarning
from ulna.types import Study

Traits = Mapping[Path, Mapping[str, str]]
"""Path of the image -> name of the trait -> value; a trait that is not known is missing."""

PIXEL_SIZE = "spacing_mm"
CONFOUNDERS = ("marker", "cast", "jewellery", "inverted")
TABLE_COLUMNS = ("hardware", "cast", "marker", PIXEL_SIZE)
"""Columns of a table by which studies are always grouped."""


def image_traits(data: Path, studies: Sequence[Study]) -> dict[Path, dict[str, str]]:
    """Return the traits of every image of `studies`, which are those of `data`.

    view: as in the data. spacing_mm: mm per pixel (phantoms, tables with that column). marker,
    cast, jewellery, inverted: 'yes' or 'no' (phantoms, reproduced from phantom.json; a table's
    columns marker and cast). Where these cannot be reproduced for a phantom set, a DatasetWarning
    is issued and they are missing.
    """
    views: dict[Path, dict[str, str]] = {
        i.path: {"view": i.view} if i.view else {} for s in studies for i in s.images
    }
    kind = data_kind(data)
    if kind == "table":
        known = _of_table(data)
    elif kind == "phantom":
        known = _of_phantoms(data, studies)
    else:
        known = {}
    return {path: own | known.get(path, {}) for path, own in views.items()}


def pixel_size(traits: Mapping[str, str]) -> float | None:
    """Return the millimetres per image pixel, None where they are not known."""
    try:
        return float(traits[PIXEL_SIZE])
    except (KeyError, ValueError):
        return None


def _of_table(table: Path) -> dict[Path, dict[str, str]]:
    return {
        path: {name: _flag(name, cells[name]) for name in TABLE_COLUMNS if cells.get(name)}
        for path, cells in read_columns(table).items()
    }


def _flag(name: str, text: str) -> str:
    if name == PIXEL_SIZE:
        return text
    return {"1": "yes", "0": "no", "true": "yes", "false": "no"}.get(text.lower(), text)


def _of_phantoms(root: Path, studies: Sequence[Study]) -> dict[Path, dict[str, str]]:
    with (root / TRUTH).open(encoding="utf-8", newline="") as handle:
        lines = list(csv.DictReader(handle))
    result = {
        root / line["path"]: {PIXEL_SIZE: line[PIXEL_SIZE]} for line in lines if PIXEL_SIZE in line
    }
    for path, confounders in _confounders(root, studies).items():
        result[path] = result.get(path, {}) | confounders
    return result


def _confounders(root: Path, studies: Sequence[Study]) -> dict[Path, dict[str, str]]:
    if find_spec("numba") is None:
        return _not_known("the extra 'phantom' is not installed (pip install 'ulna[phantom]')")
    from ulna.phantom.visible_confounders import read_confounders

    folder = {s.key: s.images[0].path.parent.relative_to(root).as_posix() for s in studies}
    try:
        drawn = read_confounders(root, folder.values())
    except DatasetError as error:
        return _not_known(str(error))
    result = {}
    for study in studies:
        images = drawn[folder[study.key]]
        if [i.view for i in study.images] != [i.view for i in images]:
            return _not_known(f"{study.key} has other views than phantom.json makes")
        for ref, image in zip(study.images, images, strict=True):
            result[ref.path] = {n: "yes" if getattr(image, n) else "no" for n in CONFOUNDERS}
    return result


def _not_known(reason: str) -> dict[Path, dict[str, str]]:
    message = f"which phantoms have a marker, a cast or inverted polarity is not known: {reason}"
    warnings.warn(message, DatasetWarning, stacklevel=4)
    return {}
