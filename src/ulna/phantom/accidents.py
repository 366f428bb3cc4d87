"""What lies on a phantom's images beside anatomy and finding, drawn again from its settings.

A phantom is a pure function of its settings, so nothing has to be stored: phantom.json says it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ulna.config.codec import from_json
from ulna.config.phantom import PhantomConfig
from ulna.errors import ConfigError, DatasetError
from ulna.phantom.cassette import shows_inverted, shows_marker
from ulna.phantom.image import PhantomImage, is_worn
from ulna.phantom.plan import plan_study
from ulna.phantom.study import draw_study
from ulna.phantom.write import GENERATOR
from ulna.types import BodyPart


@dataclass(frozen=True)
class _ImageAccidents:
    """One image: a side marker on it, a cast or jewellery on the limb, its polarity inverted.

    view: name of the view, by which a reader can tell that the right image was drawn again.
    """

    view: str
    marker: bool
    cast: bool
    jewellery: bool
    inverted: bool


def read_accidents(root: Path, folders: Iterable[str]) -> dict[str, tuple[_ImageAccidents, ...]]:
    """The accidents of the images of each of `folders` (study folders of a phantom set).

    root: what `ulna phantom` wrote. folders: 'valid/XR_WRIST/patient00012/study1_negative' and
    the like; the images of a folder stand in the order of image1, image2, ... Raises DatasetError
    for a phantom.json that is missing, damaged or of another generator, and for a folder that it
    does not describe.
    """
    file = root / "phantom.json"
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        config, generator = from_json(PhantomConfig, note["config"]), note["generator"]
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}): expected a phantom's") from None
    if generator != GENERATOR:
        raise DatasetError(f"{file}: generator {generator}: this version draws {GENERATOR}")
    number = {plan_study(config, k).folder: k for k in range(config.studies)}
    result = {}
    for folder in folders:
        if folder not in number:
            raise DatasetError(f"{file}: does not describe {folder}: write the phantoms again")
        plan, _, _, images = draw_study(config, number[folder])
        result[folder] = tuple(image_accidents(image, plan.body_part) for image in images)
    return result


def image_accidents(image: PhantomImage, part: BodyPart) -> _ImageAccidents:
    """What of the image's nuisances comes to be seen: on cassettes, less than is drawn."""
    n = image.nuisance
    if image.cassette is None:
        return _ImageAccidents(image.name, n.marker, n.cast, n.jewellery, n.inverted)
    worn = is_worn(image, part)
    return _ImageAccidents(
        view=image.name,
        marker=shows_marker(n),
        cast=n.cast and worn,
        jewellery=n.jewellery and worn,
        inverted=shows_inverted(n),
    )
