"""What lies on a phantom's films beside anatomy and finding, drawn again from its settings.

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
from ulna.phantom.film import Film, is_worn
from ulna.phantom.plan import plan_study
from ulna.phantom.study import draw_study
from ulna.phantom.write import GENERATOR
from ulna.types import BodyPart


@dataclass(frozen=True)
class _FilmAccidents:
    """One film: a side marker on it, a cast or jewellery on the limb, its polarity inverted.

    view: name of the view, by which a reader can tell that the right film was drawn again.
    """

    view: str
    marker: bool
    cast: bool
    jewellery: bool
    inverted: bool


def read_accidents(root: Path, folders: Iterable[str]) -> dict[str, tuple[_FilmAccidents, ...]]:
    """The accidents of the films of each of `folders` (study folders of a phantom set).

    root: what `ulna phantom` wrote. folders: 'valid/XR_WRIST/patient00012/study1_negative' and
    the like; the films of a folder stand in the order of image1, image2, ... Raises DatasetError
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
    found = {}
    for folder in folders:
        if folder not in number:
            raise DatasetError(f"{file}: does not describe {folder}: write the phantoms again")
        plan, _, _, films = draw_study(config, number[folder])
        found[folder] = tuple(film_accidents(film, plan.body_part) for film in films)
    return found


def film_accidents(film: Film, part: BodyPart) -> _FilmAccidents:
    """What of the film's nuisances comes to be seen: on cassettes, less than is drawn."""
    n = film.nuisance
    if film.cassette is None:
        return _FilmAccidents(film.name, n.marker, n.cast, n.jewellery, n.inverted)
    worn = is_worn(film, part)
    return _FilmAccidents(
        view=film.name,
        marker=shows_marker(n),
        cast=n.cast and worn,
        jewellery=n.jewellery and worn,
        inverted=shows_inverted(n),
    )
