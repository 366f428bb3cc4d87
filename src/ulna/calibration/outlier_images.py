"""What a bundle's experts say of images without a limb: made ones, and images of other regions."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ulna.calibration.disturb import disturbed
from ulna.calibration.last_stage import last_stages
from ulna.calibration.not_radiographs import not_radiographs
from ulna.calibration.out_of_distribution_fit import Beside, enough_images
from ulna.calibration.outlier_fit import OutlierExamples
from ulna.errors import ImageWarning, UlnaError, message_of
from ulna.types import Radiograph, Study

if TYPE_CHECKING:
    from ulna.runtime import ImageOutputs, Predictor, StudyOutputs

N_NOT_RADIOGRAPHS = 120
# Of each table of other regions, drawn anew for each fold: more say little more.
MOST_OUTLIERS = 300
_AT_ONCE = 8


def outlier_reference(
    predictor: Predictor,
    own: Sequence[StudyOutputs],
    outliers: Sequence[Sequence[Study]] = (),
    seed: int = 0,
) -> Beside:
    """What the fit of calibration images is given beside them; nothing where these are too few.

    own: their outputs. elsewhere, seed: as in `outlier_outputs`.
    """
    if not enough_images(own):
        return Beside()
    outside = outlier_outputs(predictor, outliers, seed)
    return Beside(outside, last_stages(predictor.bundle))


def outlier_outputs(
    predictor: Predictor, outliers: Sequence[Sequence[Study]] = (), seed: int = 0
) -> OutlierExamples:
    """Of 120 made pictures and of up to 300 images of each table `outliers`, half of them changed.

    A change (`disturb`) keeps what is told apart from being the hospital's. seed: which of them. A
    image that cannot be read is left out with an ImageWarning.
    """
    rng = np.random.default_rng([7, seed])
    images = _images(
        [table[i] for table in outliers for i in rng.permutation(len(table))[:MOST_OUTLIERS]]
    )
    return OutlierExamples(
        tuple(_message(predictor, not_radiographs(N_NOT_RADIOGRAPHS, seed))),
        tuple(_message(predictor, images)),
    )


def _images(studies: Sequence[Study]) -> Iterator[Radiograph]:
    from ulna.imaging.read import read_radiograph

    for number, study in enumerate(studies):
        try:
            image = read_radiograph(study.images[0].path)
        except (UlnaError, MemoryError) as error:
            message = f"{study.key}: not learned from as another region: {message_of(error)}"
            warnings.warn(message, ImageWarning, stacklevel=4)
            continue
        yield disturbed(image) if number % 2 else image


def _message(predictor: Predictor, images: Iterable[Radiograph]) -> Iterator[ImageOutputs]:
    from ulna.runtime.screen import without_map

    images = iter(images)
    while batch := list(islice(images, _AT_ONCE)):
        for output in predictor.outputs_of(batch):
            experts = {n: without_map(o) for n, o in output.experts.items()}
            yield replace(output, experts=experts)
