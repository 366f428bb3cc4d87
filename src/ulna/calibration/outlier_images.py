"""Outputs of a bundle's experts on images without a limb: synthetic ones, and other regions."""

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
from ulna.calibration.out_of_distribution_fit import OutlierReference, enough_images
from ulna.calibration.outlier_fit import OutlierExamples
from ulna.errors import ImageWarning, UlnaError, message_of
from ulna.types import Radiograph, Study

if TYPE_CHECKING:
    from ulna.runtime import ImageOutputs, Predictor, StudyOutputs

N_NOT_RADIOGRAPHS = 120
# Of each data set of other regions, drawn anew for each fold; more images change little.
MOST_OUTLIERS = 300
_AT_ONCE = 8


def outlier_reference(
    predictor: Predictor,
    own: Sequence[StudyOutputs],
    outliers: Sequence[Sequence[Study]] = (),
    seed: int = 0,
) -> OutlierReference:
    """Return the inputs of the outlier classifier; empty where the calibration images are too few.

    own: outputs on the calibration images. outliers, seed: as in `outlier_outputs`.
    """
    if not enough_images(own):
        return OutlierReference()
    examples = outlier_outputs(predictor, outliers, seed)
    return OutlierReference(examples, last_stages(predictor.bundle))


def outlier_outputs(
    predictor: Predictor, outliers: Sequence[Sequence[Study]] = (), seed: int = 0
) -> OutlierExamples:
    """Run the experts on 120 synthetic pictures and up to 300 images of each of `outliers`.

    Half of the images are changed (`disturb`), lest the classifier learn the hospital and not the
    body region. seed: of the draws. An unreadable image is left out with an ImageWarning.
    """
    rng = np.random.default_rng([7, seed])
    images = _images(
        [table[i] for table in outliers for i in rng.permutation(len(table))[:MOST_OUTLIERS]]
    )
    return OutlierExamples(
        tuple(_outputs(predictor, not_radiographs(N_NOT_RADIOGRAPHS, seed))),
        tuple(_outputs(predictor, images)),
    )


def _images(studies: Sequence[Study]) -> Iterator[Radiograph]:
    from ulna.imaging.read import read_radiograph

    for number, study in enumerate(studies):
        try:
            image = read_radiograph(study.images[0].path)
        except (UlnaError, MemoryError) as error:
            message = f"{study.key}: left out of the outlier examples: {message_of(error)}"
            warnings.warn(message, ImageWarning, stacklevel=4)
            continue
        yield disturbed(image) if number % 2 else image


def _outputs(predictor: Predictor, images: Iterable[Radiograph]) -> Iterator[ImageOutputs]:
    from ulna.runtime.screen import without_map

    images = iter(images)
    while batch := list(islice(images, _AT_ONCE)):
        for output in predictor.outputs_of(batch):
            experts = {n: without_map(o) for n, o in output.experts.items()}
            yield replace(output, experts=experts)
