"""What is measured on one radiograph: its map beside maps that know nothing, and beside twins."""

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
    """One radiograph of known place with its maps by name: 'map' and those of BASELINES."""

    study: Study
    radiograph: Radiograph
    mask: Mask
    maps: Mapping[str, Array]


@dataclass(frozen=True)
class ImageMeasures:
    """Of one image. pointing, precision, deletion, insertion: by map.

    randomised: share of shuffled weights -> rank correlation with the map. repeated: mean rank
    correlation of twin experts' maps, None without twins.
    """

    patient_id: str
    pointing: dict[str, float]
    precision: dict[str, float]
    deletion: dict[str, float]
    insertion: dict[str, float]
    randomised: dict[float, float]
    repeated: float | None


def read_images(predictor: Predictor, study: Study, seed: int) -> list[ExaminedImage]:
    """The images of `study` on which the place of a finding is known, with their maps.

    One that cannot be read, or whose mask cannot, is left out with an ImageWarning. Raises
    ImageError where none can be read.
    """
    answer = predictor.predict(study)
    result: list[ExaminedImage] = []
    refs = {str(ref.path): ref for ref in study.images}  # of unreadable views there is no answer
    for image in answer.images:
        try:
            radiograph = _read_image(predictor, study, refs[image.source], image, seed)
        except (ImageError, DatasetError, MemoryError) as error:
            warnings.warn(f"not examined: {message_of(error)}", ImageWarning, stacklevel=3)
            continue
        if radiograph is not None:
            result.append(radiograph)
    return result


def _read_image(
    predictor: Predictor, study: Study, ref: ImageRef, image: ImagePrediction, seed: int
) -> ExaminedImage | None:
    """None where the place of a finding is not known."""
    radiograph = read_radiograph(ref.path)
    mask = read_truth(ref, (radiograph.pixels.shape[0], radiograph.pixels.shape[1]))
    if mask is None:
        return None
    grid = (image.grid.shape[0], image.grid.shape[1])
    placement = prepare(radiograph, predictor.manifest.input_spec)[1]
    words = f"{study.key}/{ref.path.name}".encode(errors="surrogateescape")
    rng = np.random.default_rng(np.random.SeedSequence((seed, *words)))
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
    """All measures of one image. shuffled: predictors by share of shuffled weights. twins: the
    same bundle with one of its twin experts each."""
    tolerance = pointing_tolerance((image.mask.shape[0], image.mask.shape[1]))
    part = image.study.body_part

    def ask(radiographs: list[Radiograph]) -> list[float]:
        return [predictor.predict_radiographs([r], part).images[0].probability for r in radiographs]

    def grid_of(other: Predictor) -> Array:
        return other.predict_radiographs([image.radiograph], part).images[0].grid

    curves = {n: deletion_and_insertion(image.radiograph, m, ask) for n, m in image.maps.items()}
    own = grid_of(predictor)
    seen = [grid_of(twin) for twin in replicas]
    pairs = [rank_correlation(a, b) for a, b in combinations(seen, 2)]
    return ImageMeasures(
        patient_id=image.study.patient_id,
        pointing={n: pointing_game(m, image.mask, tolerance) for n, m in image.maps.items()},
        precision={n: pixel_average_precision(m, image.mask) for n, m in image.maps.items()},
        deletion={n: c[0] for n, c in curves.items()},
        insertion={n: c[1] for n, c in curves.items()},
        randomised={s: rank_correlation(own, grid_of(p)) for s, p in shuffled.items()},
        repeated=float(np.mean(pairs)) if pairs else None,
    )
