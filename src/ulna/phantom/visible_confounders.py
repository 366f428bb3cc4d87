"""Confounders that are visible on the images of a phantom data set: marker, cast, polarity.

Phantoms are a pure function of their settings, so the confounders are drawn again from the
settings in phantom.json and need not be stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ulna.config.codec import from_json
from ulna.config.phantom import PhantomConfig
from ulna.errors import ConfigError, DatasetError
from ulna.json_text import parse_json
from ulna.phantom.cassette import shows_inverted, shows_marker
from ulna.phantom.image import PhantomImage, is_worn
from ulna.phantom.plan import plan_study
from ulna.phantom.study import draw_study
from ulna.phantom.write import GENERATOR
from ulna.types import BodyPart


@dataclass(frozen=True)
class _VisibleConfounders:
    """Whether an image shows a side marker, a cast or jewellery, and inverted polarity.

    view: name of the view, to check that the same image was drawn again.
    """

    view: str
    marker: bool
    cast: bool
    jewellery: bool
    inverted: bool


def read_confounders(
    root: Path, folders: Iterable[str]
) -> dict[str, tuple[_VisibleConfounders, ...]]:
    """Return the visible confounders of every image in `folders`, in the order of image1, image2.

    root: a folder that `ulna phantom` wrote. folders: paths of studies in it, like
    'valid/XR_WRIST/patient00012/study1_negative'. Raises DatasetError for a phantom.json that is
    missing, damaged or of another generator, and for a folder that it does not describe.
    """
    file = root / "phantom.json"
    try:
        note = parse_json(file.read_text(encoding="utf-8"))
        config, generator = from_json(PhantomConfig, note["config"]), note["generator"]
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise DatasetError(
            f"{file}: cannot be read ({error}): expected what ulna phantom wrote"
        ) from None
    if generator != GENERATOR:
        raise DatasetError(
            f"{file}: generator {generator}: this version draws {GENERATOR}: write them again"
        )
    number = {plan_study(config, k).folder: k for k in range(config.studies)}
    confounders = {}
    for folder in folders:
        if folder not in number:
            raise DatasetError(f"{file}: does not describe {folder}: write the phantoms again")
        plan, _, _, images = draw_study(config, number[folder])
        confounders[folder] = tuple(visible_confounders(image, plan.body_part) for image in images)
    return confounders


def visible_confounders(image: PhantomImage, part: BodyPart) -> _VisibleConfounders:
    """Return which of the drawn confounders an image shows; a plate shows fewer than are drawn."""
    n = image.confounders
    if image.cassette is None:
        return _VisibleConfounders(image.name, n.marker, n.cast, n.jewellery, n.inverted)
    worn = is_worn(image, part)
    return _VisibleConfounders(
        view=image.name,
        marker=shows_marker(n),
        cast=n.cast and worn,
        jewellery=n.jewellery and worn,
        inverted=shows_inverted(n),
    )
