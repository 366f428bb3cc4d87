"""Descriptions of the installation and of a data set: the functions behind `ulna info`."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from ulna import __version__
from ulna.bundle import default_bundle, read_bundle
from ulna.config.engine import EngineSettings
from ulna.experiments.extras import MODULES
from ulna.machine import usable_cores
from ulna.recipes import RECIPES
from ulna.runtime.session.choice import available_engines, resolve
from ulna.types import Study


def describe_installation() -> dict[str, Any]:
    """Describe the installation: versions, extras, engines, recipes, the bundle in the package.

    Returns:
        The content of `ulna info --json`. The bundle in the package is read and verified.

    Raises:
        BundleError: The bundle in the package is damaged.

    Example::

        describe_installation()["engines"]["auto"]
    """
    box = read_bundle(default_bundle())
    extras = {e: all(find_spec(m) for m in modules) for e, modules in MODULES.items()}
    return {
        "ulna": __version__,
        "python": platform.python_version(),
        "extras": extras,
        "engines": _engines(),
        "packages": {p: _version(p) for p in ("numpy", "onnxruntime", "pydicom", "torch", "timm")},
        "box": {
            "bundle": box.path,
            "hash": box.hash,
            "demonstration": box.manifest.demonstration,
            "intended_use": box.manifest.intended_use,
        },
        "recipes": {name: recipe().description for name, recipe in RECIPES.items()},
    }


def count_studies(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """Count studies by label, and images, for each body part and split.

    Args:
        studies: As `ulna.datasets.index_data` gives them.

    Returns:
        A row for each body part and split, sorted, with the keys 'body_part', 'split', 'abnormal',
        'normal', 'unlabelled' (studies) and 'images'.

    Example::

        count_studies(index_data(Path("MURA-v1.1")))[0]["abnormal"]
    """
    words = {True: "abnormal", False: "normal", None: "unlabelled"}
    labels: Counter[tuple[str, str, str]] = Counter()
    images: Counter[tuple[str, str]] = Counter()
    for study in studies:
        group = (study.body_part.value if study.body_part else "(unknown)", study.split)
        labels[(*group, words[study.abnormal])] += 1
        images[group] += len(study.images)
    return [
        {
            "body_part": part,
            "split": split,
            **{w: labels[part, split, w] for w in words.values()},
            "images": images[part, split],
        }
        for part, split in sorted(images)
    ]


def _engines() -> dict[str, Any]:
    """Return the installed inference engines, and the one that 'auto' chooses."""
    return {
        "found": {
            e.name: {"version": e.version, "offers": list(e.offers)} for e in available_engines()
        },
        "auto": str(resolve(EngineSettings("auto"))),
        "cores": usable_cores(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
