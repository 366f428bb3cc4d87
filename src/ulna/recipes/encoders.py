"""ulna train DATA --recipe hybrid --encoders vgg19,densenet121,resnet50 --out runs/other

One switch: the same recipe with experts of other encoders. Where their weights come from:
docs/weights.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ulna.config.recipe import Recipe
from ulna.errors import ConfigError

# Its experts stay: it has a start of its own, and no other encoder its settings.
_OWN = "cnn"


def with_encoders(recipe: Recipe, encoders: Sequence[str]) -> Recipe:
    """`recipe` with an expert for each of `encoders` in place of its experts that are not 'cnn'.

    encoders: names of timm's models, each once; experts are named after them ('-' for '.'). The
    first takes the settings of the first expert that it replaces, and so on; where there are more
    encoders than such experts, the others take those of the last. Raises ConfigError for a recipe
    of 'cnn' alone, for no encoder or 'cnn', for names that coincide, and where the fusion's
    layout names an expert that is replaced.
    """
    replaced = [e for e in recipe.experts if e.encoder != _OWN]
    if not replaced:
        raise ConfigError(
            f"recipe {recipe.name}: all its experts are {_OWN!r}: expected one with another "
            "encoder, whose settings those of --encoders take; like recipe hybrid"
        )
    if not encoders or _OWN in encoders or not all(encoders):
        raise ConfigError(
            f"encoders {','.join(encoders)!r}: expected names of timm's models, like "
            f"vgg19,densenet121,resnet50; experts of {_OWN!r} stay as the recipe has them"
        )
    last = len(replaced) - 1
    new = [
        replace(replaced[min(i, last)], name=encoder.replace(".", "-"), encoder=encoder)
        for i, encoder in enumerate(encoders)
    ]
    place = recipe.experts.index(replaced[0])
    before, after = recipe.experts[:place], recipe.experts[place:]
    return replace(recipe, experts=(*before, *new, *(e for e in after if e.encoder == _OWN)))
