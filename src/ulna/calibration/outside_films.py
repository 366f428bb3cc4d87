"""What a bundle's experts say of images without a limb: made ones, and films of other regions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ulna.calibration.disturb import disturbed
from ulna.calibration.domain_fit import Beside, enough_films
from ulna.calibration.last_stage import last_stages
from ulna.calibration.no_films import no_films
from ulna.calibration.outside_fit import Outside
from ulna.errors import ImageWarning, UlnaError, said_of
from ulna.types import Radiograph, Study

if TYPE_CHECKING:
    from ulna.runtime import ImageOutputs, Predictor, StudyOutputs

N_NO_FILMS = 120
# Of each table of other regions, drawn anew for each fold: more say little more.
MOST_ELSEWHERE = 300
_AT_ONCE = 8


def beside_of(
    predictor: Predictor,
    own: Sequence[StudyOutputs],
    elsewhere: Sequence[Sequence[Study]] = (),
    seed: int = 0,
) -> Beside:
    """What the fit of calibration films is given beside them; nothing where these are too few.

    own: their outputs. elsewhere, seed: as in `outside_outputs`.
    """
    if not enough_films(own):
        return Beside()
    outside = outside_outputs(predictor, elsewhere, seed)
    return Beside(outside, last_stages(predictor.bundle))


def outside_outputs(
    predictor: Predictor, elsewhere: Sequence[Sequence[Study]] = (), seed: int = 0
) -> Outside:
    """Of 120 made pictures and of up to 300 films of each table `elsewhere`, half of them changed.

    A change (`disturb`) keeps what is told apart from being the hospital's. seed: which of them. A
    film that cannot be read is left out with an ImageWarning.
    """
    rng = np.random.default_rng([7, seed])
    films = _films(
        [table[i] for table in elsewhere for i in rng.permutation(len(table))[:MOST_ELSEWHERE]]
    )
    return Outside(
        tuple(_said(predictor, no_films(N_NO_FILMS, seed))), tuple(_said(predictor, films))
    )


def _films(studies: Sequence[Study]) -> Iterator[Radiograph]:
    from ulna.imaging.read import read_radiograph

    for number, study in enumerate(studies):
        try:
            film = read_radiograph(study.images[0].path)
        except (UlnaError, MemoryError) as error:
            said = f"{study.key}: not learned from as another region: {said_of(error)}"
            warnings.warn(said, ImageWarning, stacklevel=4)
            continue
        yield disturbed(film) if number % 2 else film


def _said(predictor: Predictor, films: Iterable[Radiograph]) -> Iterator[ImageOutputs]:
    from ulna.runtime.screen import without_map

    films = iter(films)
    while batch := list(islice(films, _AT_ONCE)):
        for output in predictor.outputs_of(batch):
            experts = {n: without_map(o) for n, o in output.experts.items()}
            yield replace(output, experts=experts)
