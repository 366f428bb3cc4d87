"""What the label of studies stands for, held against what a recipe or a bundle says it does."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.config.recipe import Recipe
from ulna.datasets.listing import listed
from ulna.errors import ConfigError
from ulna.types import Study


def other_meaning(studies: Sequence[Study], abnormal_means: str) -> str:
    """Why labels of `studies` are not those of `abnormal_means`, or '' where none says otherwise.

    Tables say nothing of it (`Study.label_means` is ''); tables of sources, MURA and phantoms do.
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


def check_meaning(studies: Sequence[Study], recipe: Recipe) -> None:
    """ConfigError for labels to learn from that mean something else than the recipe says.

    A bundle names what it finds by its recipe's `abnormal_means`: it would call a tumour a
    fracture.
    """
    if reported := other_meaning(studies, recipe.abnormal_means):
        raise ConfigError(
            f"recipe {recipe.name} answers {recipe.abnormal_means} (abnormal_means), and "
            f"{reported}\n"
            "expected the same: --set abnormal_means=... (a student's is its teacher's), or data "
            "of that meaning"
        )
