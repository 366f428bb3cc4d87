"""Measures on one radiograph: its map against baselines, shuffled weights and replicas."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ulna.attribution.examination.baselines import edge_map, random_map
from ulna.attribution.examination.perturb import deletion_and_insertion
from ulna.errors import DatasetError, ImageError, ImageWarning, message_of
from ulna.evaluation.truth import read_truth
from ulna.imaging.read import read_radiograph
from ulna.metrics.localisation import pointing_game, pointing_tolerance
from ulna.metrics.maps import pixel_average_precision, rank_correlation
from ulna.preprocess import prepare
from ulna.types import Array, ImagePrediction, ImageRef, Mask, Radiograph, Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

MAP = "map"


@dataclass(frozen=True)
class ExaminedImage:
    """A radiograph with a known finding (`mask`) and its maps by name, 'map' and the BASELINES."""

    study: Study
    radiograph: Radiograph
    mask: Mask
    maps: Mapping[str, Array]


@dataclass(frozen=True)
class ImageMeasures:
    """Measures of one image. pointing, precision, deletion, insertion: by name of the map.

    randomised: share of shuffled weights -> rank correlation with the map. repeated: mean rank
    correlation between the maps of replicas, None without replicas.
    """

    patient_id: str
    pointing: dict[str, float]
    precision: dict[str, float]
    deletion: dict[str, float]
    insertion: dict[str, float]
    randomised: dict[float, float]
    repeated: float | None


def read_images(predictor: Predictor, study: Study, seed: int) -> list[ExaminedImage]:
    """Read the images of `study` on which the place of a finding is known, with their maps.

    An image whose pixels or mask cannot be read is left out with an ImageWarning. Raises
    ImageError where none can be read.
    """
    answer = predictor.predict(study)
    images: list[ExaminedImage] = []
    refs = {str(ref.path): ref for ref in study.images}  # an unreadable view has no answer
    for prediction in answer.images:
        try:
            image = _read_image(predictor, study, refs[prediction.source], prediction, seed)
        except (ImageError, DatasetError, MemoryError) as error:
            warnings.warn(f"not examined: {message_of(error)}", ImageWarning, stacklevel=3)
            continue
        if image is not None:
            images.append(image)
    return images


def _read_image(
    predictor: Predictor, study: Study, ref: ImageRef, image: ImagePrediction, seed: int
) -> ExaminedImage | None:
    """Return None where the place of a finding is not known."""
    radiograph = read_radiograph(ref.path)
    mask = read_truth(ref, (radiograph.pixels.shape[0], radiograph.pixels.shape[1]))
    if mask is None:
        return None
    grid = (image.grid.shape[0], image.grid.shape[1])
    placement = prepare(radiograph, predictor.manifest.input_spec)[1]
    name = f"{study.key}/{ref.path.name}".encode(errors="surrogateescape")
    rng = np.random.default_rng(np.random.SeedSequence((seed, *name)))
    maps = {
        MAP: image.heat_map,
        "random": random_map(placement, grid, rng),
        "edges": edge_map(radiograph.pixels, placement, grid),
    }
    return ExaminedImage(study, radiograph, mask, maps)


def measure_image(
    image: ExaminedImage,
    predictor: Predictor,
    shuffled: Mapping[float, Predictor],
    replicas: Sequence[Predictor],
) -> ImageMeasures:
    """Compute all measures of one image.

    shuffled: predictors by share of shuffled weights. replicas: the bundle with all weight on one
    expert, one predictor for each of the experts that differ in seed and data only.
    """
    tolerance = pointing_tolerance((image.mask.shape[0], image.mask.shape[1]))
    part = image.study.body_part

    def probabilities(radiographs: list[Radiograph]) -> list[float]:
        return [predictor.predict_radiographs([r], part).images[0].probability for r in radiographs]

    def grid_of(other: Predictor) -> Array:
        return other.predict_radiographs([radiograph], part).images[0].grid

    radiograph, maps = image.radiograph, image.maps
    curves = {n: deletion_and_insertion(radiograph, m, probabilities) for n, m in maps.items()}
    own = grid_of(predictor)
    pairs = [rank_correlation(a, b) for a, b in combinations(map(grid_of, replicas), 2)]
    return ImageMeasures(
        patient_id=image.study.patient_id,
        pointing={n: pointing_game(m, image.mask, tolerance) for n, m in maps.items()},
        precision={n: pixel_average_precision(m, image.mask) for n, m in maps.items()},
        deletion={n: c[0] for n, c in curves.items()},
        insertion={n: c[1] for n, c in curves.items()},
        randomised={s: rank_correlation(own, grid_of(p)) for s, p in shuffled.items()},
        repeated=float(np.mean(pairs)) if pairs else None,
    )
