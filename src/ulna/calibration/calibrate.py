"""`ulna calibrate`: fit a bundle's fusion weights, temperatures, thresholds and map scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.bundle import (
    CascadeParameters,
    ConformalScores,
    FusionParameters,
    ModelBundle,
    OodDetector,
    read_bundle,
    replace_fusion,
)
from ulna.calibration.cascade_fit import CascadeSettings, fit_cascade
from ulna.calibration.compared_parts import compared_parts
from ulna.calibration.disturb import disturbed
from ulna.calibration.finding_fit import fit_findings, with_findings, without_finding_maps
from ulna.calibration.fusion_fit import Fit, fit_part, fit_pooled, start_fit
from ulna.calibration.graph_cost import multiply_adds
from ulna.calibration.map_scale import fit_map_scale
from ulna.calibration.near_fit import margin_of, movements
from ulna.calibration.out_of_distribution_fit import fit_out_of_distribution
from ulna.calibration.outlier_images import outlier_reference
from ulna.calibration.outline_share import fit_outline_share
from ulna.calibration.part_scores import Floats, PartScores, part_scores, pooled_scores
from ulna.calibration.thresholds import fit_thresholds
from ulna.errors import (
    ConfigError,
    DatasetWarning,
    DependencyError,
    ImageError,
    ImageWarning,
    UlnaWarning,
    message_of,
)
from ulna.evaluation.meaning import warn_of_meaning
from ulna.metrics.ranking import auroc
from ulna.types import BodyPart, Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.config.recipe import Recipe
    from ulna.runtime import Predictor, StudyOutputs

Progress = Callable[[int, int], None]
# With fewer of either class, a body part takes the fit of all body parts together.
MIN_STUDIES = 8
# With fewer of either class over all body parts, nothing can be fitted.
MIN_POOLED = 4


def calibrate_bundle(
    bundle_path: Path | str,
    studies: Sequence[Study],
    progress: Progress | None = None,
    requested: CascadeSettings | None = None,
    outliers: Sequence[Sequence[Study]] = (),
) -> ModelBundle:
    """Run the bundle's experts on `studies`, fit the fusion and write it into the manifest.

    Feature statistics for refusal are written too, where the graphs give features and there are
    enough images (`out_of_distribution_fit.MIN_IMAGES`), and a cascade if there are several
    experts. studies: labelled ones that neither trained nor stopped any expert, which the caller
    must ensure. A study that cannot be read, has no label or a body part unknown to the bundle is
    left out with a warning. progress(done, total) counts studies. requested: bound that the cascade
    must keep. outliers: data sets of images of other regions of the body, which are to be refused.
    Raises ConfigError when the remaining studies lack a class.
    """
    from ulna.runtime import Predictor

    bundle = read_bundle(Path(bundle_path))
    usable = _usable(studies, bundle.manifest)
    predictor = Predictor.load(Path(bundle_path))
    outputs = _outputs(predictor, usable, progress)
    fusion = fit_fusion(outputs, bundle.manifest.recipe, bundle.manifest)
    out_of_distribution = _out_of_distribution(predictor, outputs, fusion, outliers)
    cascade = cascade_of(outputs, fusion, bundle, requested)
    summary = _summary(outputs, fusion, bundle.manifest)
    return replace_fusion(bundle, fusion, summary, out_of_distribution, cascade)


def _out_of_distribution(
    predictor: Predictor,
    outputs: Sequence[StudyOutputs],
    fusion: FusionParameters,
    outliers: Sequence[Sequence[Study]],
) -> OodDetector | None:
    """Fit feature statistics, outlier classifier and uncertainty margin; None with few images."""
    manifest = predictor.manifest
    reference = outlier_reference(predictor, outputs, outliers)
    names = [e.name for e in manifest.experts]
    out_of_distribution = fit_out_of_distribution(outputs, names, reference)
    if out_of_distribution is None:
        return None
    uncertainty_margin = margin_of(movements(outputs, out_of_distribution, fusion, manifest))
    return replace(
        out_of_distribution,
        entry=replace(out_of_distribution.entry, uncertainty_margin=uncertainty_margin),
    )


def calibrate_as(
    bundle_path: Path | str,
    fusion: FusionParameters,
    studies: Sequence[Study],
    progress: Progress | None = None,
    outliers: Sequence[Sequence[Study]] = (),
) -> ModelBundle:
    """Write a `fusion` that was fitted elsewhere into the manifest of a bundle of one expert.

    For a bundle that was trained on all images, so that none is left to calibrate it on: its fusion
    was fitted on the folds of bundles like it. studies: its training studies. The feature
    statistics are fitted on them, if there are enough, and so are a little too narrow. outliers: as
    in `calibrate_bundle`.
    """
    from ulna.runtime import Predictor

    predictor = Predictor.load(Path(bundle_path))
    outputs = _outputs(predictor, studies, progress)
    out_of_distribution = _out_of_distribution(predictor, outputs, fusion, outliers)
    return replace_fusion(predictor.bundle, fusion, {}, out_of_distribution)


def _outputs(
    predictor: Predictor, studies: Sequence[Study], progress: Progress | None
) -> list[StudyOutputs]:
    """Collect the outputs of every study. One that cannot be read warns with ImageWarning."""
    outputs = []
    for done, study in enumerate(studies, start=1):
        try:
            output = predictor.outputs(study, negatives=True, disturb=disturbed)
            outputs.append(without_finding_maps(output))
        except (ImageError, MemoryError) as error:
            message = f"{study.key}: left out of the calibration: {message_of(error)}"
            warnings.warn(message, ImageWarning, stacklevel=3)
        if progress is not None:
            progress(done, len(studies))
    return outputs


def cascade_of(
    outputs: Sequence[StudyOutputs],
    fusion: FusionParameters,
    bundle: ModelBundle,
    requested: CascadeSettings | None = None,
) -> CascadeParameters | None:
    """Fit the cascade of a `fusion`. None with one expert, or, with UlnaWarning, without onnx."""
    manifest = bundle.manifest
    if len(manifest.experts) < 2:
        return None
    try:
        costs = {e.name: float(multiply_adds(bundle.graph_path(e))) for e in manifest.experts}
    except DependencyError as error:
        warnings.warn(f"no cascade: {error}", UlnaWarning, stacklevel=3)
        return None
    scores = _scores(outputs, manifest)
    return with_findings(fit_cascade(scores, fusion, costs, requested), outputs, fusion, manifest)


def _scores(outputs: Sequence[StudyOutputs], manifest: Manifest) -> dict[BodyPart, PartScores]:
    """Return the labelled studies by body part, without body parts that have none."""
    scores = {p: part_scores(outputs, p, manifest) for p in manifest.body_parts}
    return {p: s for p, s in scores.items() if s is not None}


def fit_fusion(
    outputs: Sequence[StudyOutputs], recipe: Recipe, manifest: Manifest
) -> FusionParameters:
    """Fit the fusion parameters on the labelled studies among `outputs`.

    By `recipe.fusion.kind`: 'fitted' fits convex weights, 'mean' and 'layout' keep theirs.
    Temperature and offset are fitted unless `recipe.fusion.calibration` is 'taught'. A body part
    with fewer than 8 studies of either class takes the fit of all body parts together, with a
    DatasetWarning. Deterministic. Raises ConfigError if all body parts together have fewer than 4
    studies of either class.
    """
    scores = _scores(outputs, manifest)
    if not scores or pooled_scores(list(scores.values())).fewest < MIN_POOLED:
        raise ConfigError(
            f"{sum(len(s.abnormal) for s in scores.values())} labelled calibration studies of "
            f"known body parts: expected at least {MIN_POOLED} normal and {MIN_POOLED} "
            "abnormal ones; calibrate on more"
        )
    few = {p for p in manifest.body_parts if p not in scores or scores[p].fewest < MIN_STUDIES}
    fits = _fits(scores, few, recipe, manifest)
    thresholds = fit_thresholds(
        {p: _by_class(scores.get(p), fits[p]) for p in manifest.body_parts}, few
    )
    map_threshold, map_peak, map_limit = fit_map_scale(outputs, fits, manifest)
    names = [e.name for e in manifest.experts]
    weights = {p: dict(zip(names, map(float, f.weights), strict=True)) for p, f in fits.items()}
    conformal = {p: _conformal(scores.get(p), fits[p]) for p in manifest.body_parts}
    return FusionParameters(
        weights=weights,
        temperatures={p: f.temperature for p, f in fits.items()},
        offsets={p: f.offset for p, f in fits.items()},
        thresholds=thresholds,
        map_threshold=map_threshold,
        map_peak=map_peak,
        map_share=fit_outline_share(outputs, fits, manifest, (map_threshold, map_peak)),
        map_limit=map_limit,
        n_calibration_studies=sum(len(s.abnormal) for s in scores.values()),
        conformal=conformal,
        compared=compared_parts(conformal),
        findings=fit_findings(outputs, weights, manifest),
    )


def _fits(
    scores: Mapping[BodyPart, PartScores], few: set[BodyPart], recipe: Recipe, manifest: Manifest
) -> dict[BodyPart, Fit]:
    names = [e.name for e in manifest.experts]
    free = list(range(len(names))) if recipe.fusion.kind == "fitted" and len(names) > 1 else []
    pooled_data = pooled_scores(list(scores.values()))
    fits = {}
    for part in manifest.body_parts:
        start = start_fit(_fixed_weights(part, recipe, names))
        if part in few:
            _warn_few(part, scores.get(part))
        if recipe.fusion.calibration == "taught":
            fits[part] = start
            continue
        pooled = fit_pooled(pooled_data, start, free)
        fits[part] = pooled if part in few else fit_part(scores[part], pooled, free)
    return fits


def _fixed_weights(part: BodyPart, recipe: Recipe, names: Sequence[str]) -> Floats:
    chosen = recipe.fusion.layout.get(part) if recipe.fusion.kind == "layout" else None
    if chosen is None:
        return np.ones(len(names))
    return np.array([float(n == chosen) for n in names])


def _warn_few(part: BodyPart, scores: PartScores | None) -> None:
    fewest = 0 if scores is None else scores.fewest
    warnings.warn(
        f"{part}: {fewest} calibration studies of the rarer class, expected at least "
        f"{MIN_STUDIES}: the fit of all body parts together is used",
        DatasetWarning,
        stacklevel=4,
    )


def _by_class(scores: PartScores | None, fit: Fit) -> tuple[Floats, Floats]:
    if scores is None:
        return np.empty(0), np.empty(0)
    p = scores.probability(fit.weights, fit.offset, fit.temperature)
    return p[~scores.abnormal], p[scores.abnormal]


def _conformal(scores: PartScores | None, fit: Fit) -> ConformalScores:
    """Sort the probabilities by label. Where they are few, `compared_parts` chooses others too."""
    normal, abnormal = (tuple(float(v) for v in np.sort(p)) for p in _by_class(scores, fit))
    return ConformalScores(normal, abnormal)


def _usable(studies: Sequence[Study], manifest: Manifest) -> list[Study]:
    usable = [s for s in studies if s.abnormal is not None and s.body_part in manifest.body_parts]
    warn_of_meaning(usable, manifest, "calibration")
    if len(usable) < len(studies):
        known = ", ".join(manifest.body_parts)
        warnings.warn(
            f"{len(studies) - len(usable)} of {len(studies)} calibration studies have no label "
            f"or no body part among {known}: left out",
            DatasetWarning,
            stacklevel=3,
        )
    return usable


def _summary(
    outputs: Sequence[StudyOutputs], fusion: FusionParameters, manifest: Manifest
) -> dict[str, float]:
    """Return AUROC and number of calibration studies by body part, for the manifest."""
    summary = {}
    for part, scores in _scores(outputs, manifest).items():
        weights = np.array([fusion.weights[part][e.name] for e in manifest.experts])
        p = scores.probability(weights, fusion.offsets[part], fusion.temperatures[part])
        summary[f"calibration.{part}.n_studies"] = float(len(p))
        if scores.fewest:
            summary[f"calibration.{part}.auroc"] = auroc(scores.abnormal, p)
    return summary
