"""Compare the meaning of studies' labels with that of a recipe or a bundle."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.config.recipe import Recipe
from ulna.datasets.listing import listed
from ulna.errors import ConfigError
from ulna.types import Study


def differing_meaning(studies: Sequence[Study], abnormal_means: str) -> str:
    """Return in words how labels of `studies` differ in meaning from `abnormal_means`, or ''.

    Tables do not state the meaning of their label (`Study.label_means` is ''). Tables of sources,
    MURA and phantoms do.
    """
    odd = [
        s for s in studies if s.abnormal is not None and s.label_means not in ("", abnormal_means)
    ]
    if not odd:
        return ""
    meant = ", ".join(sorted({s.label_means for s in odd}))
    return (
        f"the label of {len(odd)} of {len(studies)} studies means {meant}, and not "
        f"{abnormal_means}:{listed([s.key for s in odd])}"
    )


def check_label_meaning(studies: Sequence[Study], recipe: Recipe) -> None:
    """Raise ConfigError for training labels whose meaning differs from that of the recipe.

    A bundle names an abnormal study by its recipe's `abnormal_means`, so it would call a tumour a
    fracture.
    """
    if difference := differing_meaning(studies, recipe.abnormal_means):
        raise ConfigError(
            f"recipe {recipe.name} answers {recipe.abnormal_means} (abnormal_means), and "
            f"{difference}\n"
            "expected the same: --set abnormal_means=... (a student's is its teacher's), or data "
            "of that meaning"
        )
