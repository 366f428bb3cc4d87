"""`ulna examine`: test a bundle's heat maps on images whose findings have a known place."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.attribution.examination.measures import (
    ExaminedImage,
    ImageMeasures,
    measure_image,
    read_images,
)
from ulna.attribution.examination.randomised import randomised_graph
from ulna.attribution.examination.verdict import judge
from ulna.bundle import Manifest, ModelBundle, replace_examination
from ulna.config.bounds import Count, Seed, check_fields
from ulna.config.codec import to_json
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import DatasetError, ImageError, ImageWarning, message_of
from ulna.evaluation.answered_by import answered_by
from ulna.evaluation.pipeline import write_metrics
from ulna.evaluation.scores import Json, Resampling, interval_json, share
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

Progress = Callable[[str, int, int], None]
Figure = Callable[
    [Sequence[ExaminedImage], Sequence[ImageMeasures], "Predictor", "Predictor", Path], None
]
"""Draws examination.png from (images shown, measures, bundle, bundle of shuffled weights, file)."""
# Of the weight tensors, from the heads down.
SHARES = (1 / 3, 2 / 3, 1.0)
_SHOWN = 4


@dataclass(frozen=True)
class ExaminationPlan:
    """Settings of an examination. studies: largest number, abnormal ones with a known place.

    seed: of sample, noise and shuffling. resampling: bootstrap of the intervals. engine: that
    answers.
    """

    studies: Count = 40
    seed: Seed = 0
    resampling: Resampling = field(default_factory=Resampling)
    engine: EngineSettings = PORTABLE

    def __post_init__(self) -> None:
        check_fields(self, "examination")


def examine(
    bundle_path: Path | str,
    studies: Sequence[Study],
    out: Path | str,
    plan: ExaminationPlan,
    data: str,
    figure: Figure,
    progress: Progress | None = None,
) -> tuple[ModelBundle, Json]:
    """Examine the maps of a bundle, write the results to `out` and the verdict into the bundle.

    Writes examination.json, and by `figure` examination.png. studies: not those of the training.
    data: name of the data. figure: see `report.writers`. progress(stage, done, total). Raises
    DatasetError where no finding has a known place, BundleError.
    """
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path), plan.engine).without_refusal()
    chosen = _sample(studies, predictor.manifest, plan)
    shuffled = {s: _shuffled(predictor, s, plan.seed) for s in SHARES}
    replicas, reason = _replicas(predictor)
    images: list[ExaminedImage] = []
    measures: list[ImageMeasures] = []
    for done, study in enumerate(chosen, start=1):
        own = _images(predictor, study, plan.seed)
        measures += [measure_image(i, predictor, shuffled, replicas) for i in own]
        images = [*images, *own][:_SHOWN]
        if progress is not None:
            progress("examine", done, len(chosen))
    if not measures:
        raise DatasetError(
            f"{data}: no finding has a known place on an image of the {len(chosen)} studies: "
            "expected masks or boxes within the images"
        )
    not_made = {} if replicas else {"repeatability": reason}
    verdict = judge(measures, data, plan.resampling, not_made)
    examined = replace_examination(predictor.bundle, verdict)
    result = _summary(measures, plan.resampling) | {"verdict": to_json(verdict)}
    result |= {"reliable": verdict.reliable, "failed": list(verdict.failed)}
    result |= answered_by(predictor.bundle, predictor.engine)
    result |= {"bundle": examined.hash, "seed": plan.seed, "n_studies": len(chosen)}
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    write_metrics(result, folder / "examination.json")
    figure(images, measures, predictor, shuffled[1.0], folder / "examination.png")
    return examined, result


def _images(predictor: Predictor, study: Study, seed: int) -> list[ExaminedImage]:
    """Read the images with a known place. A study without a readable image warns."""
    try:
        return read_images(predictor, study, seed)
    except (ImageError, MemoryError) as error:
        warnings.warn(f"not examined: {message_of(error)}", ImageWarning, stacklevel=2)
        return []


def _sample(studies: Sequence[Study], manifest: Manifest, plan: ExaminationPlan) -> list[Study]:
    usable = [
        s
        for s in studies
        if s.abnormal
        and s.body_part in manifest.body_parts
        and any(i.mask is not None or i.findings for i in s.images)
    ]
    if not usable:
        raise DatasetError(
            f"of {len(studies)} studies none is abnormal, of {', '.join(manifest.body_parts)} and "
            "with masks or boxes: expected some; phantoms have masks, a table needs the column "
            "'boxes'"
        )
    order = np.random.default_rng(plan.seed).permutation(len(usable))[: plan.studies]
    return [usable[i] for i in np.sort(order)]


def _shuffled(predictor: Predictor, share_of: float, seed: int) -> Predictor:
    bundle = predictor.bundle
    graphs = {
        e.name: randomised_graph(bundle.graph_path(e), share_of, seed + i)
        for i, e in enumerate(bundle.manifest.experts)
    }
    return predictor.with_graphs(graphs)


def _replicas(predictor: Predictor) -> tuple[list[Predictor], str]:
    """Return the bundle with a single expert for each replica, or none and the reason.

    Replicas are experts that differ in seed and training data only.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for e in predictor.manifest.experts:
        name, _, number = e.name.rpartition("-")
        groups[(name if number.isdigit() else e.name, e.encoder)].append(e.name)
    largest = max(groups.values(), key=len)
    if len(largest) < 2:
        return [], "the bundle has no two experts that differ in seed and data alone (folds)"
    return [_single_expert(predictor, name) for name in largest], ""


def _single_expert(predictor: Predictor, expert: str) -> Predictor:
    """Return the bundle with all weight on one expert, otherwise unchanged."""
    fusion = predictor.manifest.fusion
    weights = {p: {n: float(n == expert) for n in w} for p, w in fusion.weights.items()}
    return predictor.with_fusion(replace(fusion, weights=weights))


def _summary(images: Sequence[ImageMeasures], resampling: Resampling) -> Json:
    """Return the mean of every measure of every map, with its interval."""
    patients = [i.patient_id for i in images]

    def mean(values: Sequence[float]) -> Json:
        return interval_json(share(patients, values, resampling))

    result: Json = {"n_images": len(images)}
    for name in ("pointing", "precision", "deletion", "insertion"):
        columns: Mapping[str, list[float]] = {
            m: [getattr(i, name)[m] for i in images] for m in getattr(images[0], name)
        }
        result[name] = {m: mean(values) for m, values in columns.items()}
    result["randomised"] = {
        f"{s:.2f}": mean([i.randomised[s] for i in images]) for s in images[0].randomised
    }
    repeated = [i.repeated for i in images if i.repeated is not None]
    result["repeated"] = mean(repeated) if len(repeated) == len(images) else None
    return result
