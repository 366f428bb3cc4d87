"""ulna train DATA --recipe hybrid --encoders vgg19,densenet121,resnet50 --out runs/other

The option `--encoders`: a recipe with other encoders in place of its own. docs/weights.md says
where their weights come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ulna.config.recipe import Recipe
from ulna.errors import ConfigError

# Experts of the in-house network stay: its initial weights and settings fit no other encoder.
_IN_HOUSE = "cnn"


def with_encoders(recipe: Recipe, encoders: Sequence[str]) -> Recipe:
    """Return `recipe` with one expert for each of `encoders` in place of those that are not 'cnn'.

    encoders: distinct names of timm models; experts are named after them, with '-' for '.'. The
    first encoder takes the settings of the first replaced expert, and so on; further encoders take
    the settings of the last one. Raises ConfigError for a recipe that has only 'cnn', for no
    encoder or 'cnn', for equal names, and for a fusion layout that names a replaced expert.
    """
    replaced = [e for e in recipe.experts if e.encoder != _IN_HOUSE]
    if not replaced:
        raise ConfigError(
            f"recipe {recipe.name}: all its experts are {_IN_HOUSE!r}: expected one with another "
            "encoder, whose settings the new encoders take, like recipe hybrid"
        )
    if not encoders or _IN_HOUSE in encoders or not all(encoders):
        raise ConfigError(
            f"encoders {','.join(encoders)!r}: expected names of timm models, like "
            f"vgg19,densenet121,resnet50, without {_IN_HOUSE!r}, whose experts always stay"
        )
    last = len(replaced) - 1
    new = [
        replace(replaced[min(i, last)], name=encoder.replace(".", "-"), encoder=encoder)
        for i, encoder in enumerate(encoders)
    ]
    place = recipe.experts.index(replaced[0])
    before, after = recipe.experts[:place], recipe.experts[place:]
    return replace(recipe, experts=(*before, *new, *(e for e in after if e.encoder == _IN_HOUSE)))
