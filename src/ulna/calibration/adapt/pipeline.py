"""`ulna adapt`: adapt a bundle to a new hospital with a few of its labelled images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.bundle import (
    ConformalScores,
    FusionParameters,
    ModelBundle,
    OodDetector,
    check_replaceable,
    read_bundle,
    read_out_of_distribution,
    replace_fusion,
    write_bundle,
)
from ulna.calibration.adapt.fit import (
    HeadChange,
    HeadPlan,
    Shift,
    cross_fitted_logit,
    fit_changes,
    fit_shift,
)
from ulna.calibration.adapt.graph import probing_graph, with_head_moved
from ulna.calibration.adapt.images import HospitalImages, images_of
from ulna.calibration.calibrate import MIN_POOLED, MIN_STUDIES
from ulna.calibration.compared_parts import compared_parts
from ulna.calibration.part_scores import Floats
from ulna.calibration.thresholds import fit_thresholds
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import (
    BundleError,
    ConfigError,
    DatasetWarning,
    ImageError,
    ImageWarning,
    message_of,
)
from ulna.evaluation.meaning import warn_of_meaning
from ulna.evaluation.scores import Sample, statistics
from ulna.runtime.screen import without_map
from ulna.types import BodyPart, Study

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import Predictor, StudyOutputs

Progress = Callable[[int, int], None]
MEASURES = ("auroc", "sensitivity", "specificity", "ece")


@dataclass(frozen=True)
class Adapted:
    """Result of an adaptation. bundle: the adapted one. shift: recalibration of the logits.

    images: those of the fit. before, after: (N,) their study probabilities by the original and the
    adapted bundle; `after` is by heads that were not fitted on the study's patient, but its scale
    and offset were. changes: of the experts' heads, empty where these were not moved.
    """

    bundle: ModelBundle
    shift: Shift
    images: HospitalImages
    before: Floats
    after: Floats
    changes: tuple[HeadChange, ...] = ()


def adapt_bundle(
    bundle_path: Path | str,
    studies: Sequence[Study],
    out: Path | str,
    heads: HeadPlan | None = None,
    progress: Progress | None = None,
) -> Adapted:
    """Calibrate the bundle at `bundle_path` on `studies` of a new hospital and write it to `out`.

    Ten studies of each class are enough to begin with. One scale and one offset of the calibrated
    logit for all body parts, and the thresholds are fitted. The fusion weights, the statistics of
    known images and the calibration of findings stay; the uncertainty margin of out-of-distribution
    images is scaled along. heads: where given, the experts' abnormal heads are moved too
    (`fit.fit_changes`), equally for every body part. The encoders are not changed. A cascade is
    removed, since it was fitted to the former answers.

    studies: of this hospital only, labelled with the bundle's meaning of abnormal; a known other
    meaning is warned of. Those without a label, without a body part that the bundle knows, or
    without a readable image are left out with a warning; another warning names body parts without
    any study. progress(done, total) counts studies. Raises ConfigError with fewer than 4 studies of
    either class or fewer than 4 patients, BundleError if `out` is the bundle itself or holds
    anything else, and where the head cannot be identified in a graph.

    Examples
    --------
    >>> from ulna.datasets import index_data
    >>> ours = index_data("ours.csv")  # doctest: +SKIP
    >>> adapted = adapt_bundle("bundle", ours, "adapted", HeadPlan())  # doctest: +SKIP
    >>> adapted.shift.offset, adapted.bundle.hash  # doctest: +SKIP
    """
    bundle, place = read_bundle(bundle_path), Path(out)
    if place.resolve() == bundle.path.resolve():
        raise BundleError(f"{place}: is the bundle itself: give a new folder for the adapted one")
    check_replaceable(place)
    images = read_images(bundle, studies, heads is not None, progress)
    check_enough(images)
    changes = () if heads is None else fit_changes(images, heads)
    logit = images.logit if heads is None else cross_fitted_logit(images, heads)
    shift = fit_shift(images, logit)
    after = images.probability(shift.of(logit))
    fusion = adapted_fusion(bundle.manifest, images, shift, after)
    written = _write(bundle, changes, fusion, images, place, _out_of_distribution(bundle, shift))
    return Adapted(written, shift, images, images.probability(images.logit), after, changes)


def read_images(
    bundle: ModelBundle,
    studies: Sequence[Study],
    heads: bool,
    progress: Progress | None = None,
    engine: EngineSettings = PORTABLE,
) -> HospitalImages:
    """Run the bundle on the labelled studies. heads: whether to collect its heads' inputs too.

    A study that cannot be used is left out with a warning. Raises ConfigError where none is left.
    """
    from ulna.runtime import Predictor

    predictor = Predictor(bundle, engine)
    if heads:
        graphs = {e.name: probing_graph(bundle.graph_path(e)) for e in bundle.manifest.experts}
        predictor = predictor.with_graphs(graphs)
    return images_of(
        _outputs(predictor, _usable(studies, bundle.manifest), progress), bundle.manifest
    )


def _usable(studies: Sequence[Study], manifest: Manifest) -> list[Study]:
    parts = manifest.body_parts
    usable = [s for s in studies if s.abnormal is not None and s.body_part in parts]
    warn_of_meaning(usable, manifest, "adaptation")
    if len(usable) < len(studies):
        warnings.warn(
            f"{len(studies) - len(usable)} of {len(studies)} studies have no label or no body part "
            f"among {', '.join(parts)}: left out",
            DatasetWarning,
            stacklevel=4,
        )
    return usable


def _outputs(
    predictor: Predictor, studies: Sequence[Study], progress: Progress | None
) -> list[StudyOutputs]:
    outputs = []
    for done, study in enumerate(studies, start=1):
        try:
            output = predictor.outputs(study)
            images = [
                replace(i, experts={n: without_map(e) for n, e in i.experts.items()})
                for i in output.images
            ]
            outputs.append(replace(output, images=tuple(images)))
        except (ImageError, MemoryError) as error:
            message = f"{study.key}: left out: {message_of(error)}"
            warnings.warn(message, ImageWarning, stacklevel=4)
        if progress is not None:
            progress(done, len(studies))
    if not outputs:
        raise ConfigError(
            f"none of {len(studies)} studies has a label, a known body part and a readable image: "
            f"expected at least {MIN_POOLED} normal and {MIN_POOLED} abnormal ones"
        )
    return outputs


def check_enough(images: HospitalImages) -> None:
    """Raise ConfigError where there are too few studies or patients for any fit."""
    positive, n, patients = int(images.abnormal.sum()), len(images.abnormal), {*images.patient}
    if images.fewest < MIN_POOLED or len(patients) < MIN_POOLED:
        raise ConfigError(
            f"{n - positive} normal and {positive} abnormal labelled studies of {len(patients)} "
            f"patients: expected at least {MIN_POOLED} of each, better 10; label more"
        )


def adapted_fusion(
    manifest: Manifest, images: HospitalImages, shift: Shift, probability: Floats
) -> FusionParameters:
    """Return the bundle's fusion under `shift`, with thresholds from study probabilities (N,).

    A body part with fewer than 8 studies of either class takes the thresholds of all studies. The
    conformal scores (docs/metrics.md) are the probabilities of these studies only.
    """
    old, parts = manifest.fusion, manifest.body_parts
    of = {p: np.array([q == p for q in images.part]) for p in parts}
    classes = {
        p: (probability[of[p] & ~images.abnormal], probability[of[p] & images.abnormal])
        for p in parts
    }
    without = [p for p in parts if not of[p].any()]
    if without:
        warnings.warn(
            f"no study of {', '.join(without)}: these body parts take scale, offset and thresholds "
            "of the others, which cannot be checked here",
            DatasetWarning,
            stacklevel=3,
        )
    few = {p for p, pair in classes.items() if min(map(len, pair)) < MIN_STUDIES}
    conformal = {p: _conformal(*pair) for p, pair in classes.items()}
    return replace(
        old,
        temperatures={p: t * shift.scale for p, t in old.temperatures.items()},
        offsets={p: o + shift.offset * old.temperatures[p] for p, o in old.offsets.items()},
        thresholds=fit_thresholds(classes, few),
        map_threshold=old.map_threshold / shift.scale,
        map_peak=old.map_peak / shift.scale,
        map_limit=old.map_limit / shift.scale,
        n_calibration_studies=len(probability),
        conformal=conformal,
        compared=compared_parts(conformal),
    )


def _conformal(normal: Floats, abnormal: Floats) -> ConformalScores:
    both = (tuple(float(v) for v in np.sort(p)) for p in (normal, abnormal))
    return ConformalScores(*both)


def _write(
    bundle: ModelBundle,
    changes: tuple[HeadChange, ...],
    fusion: FusionParameters,
    images: HospitalImages,
    out: Path,
    out_of_distribution: OodDetector | None,
) -> ModelBundle:
    manifest = bundle.manifest
    graphs: dict[str, Path | bytes] = {e.name: bundle.graph_path(e) for e in manifest.experts}
    entries = []
    for k, entry in enumerate(manifest.experts):
        if changes:
            weight, bias = changes[k].weight, changes[k].bias
            many = np.tile(weight, (len(manifest.body_parts), 1))
            added = np.full(len(many), bias)
            graphs[entry.name] = with_head_moved(bundle.graph_path(entry), many, added)
            moved: dict[BodyPart, float] = {p: b + bias for p, b in entry.biases.items()}
            entry = replace(entry, biases=moved)
        entries.append(entry)
    own = replace(manifest, experts=tuple(entries), fusion=fusion, cascade=None)
    new = write_bundle(own, graphs, out)
    metrics = {
        **manifest.metrics,
        "adapted.n_studies": float(len(images.abnormal)),
        "adapted.n_images": float(len(images.logit)),
        "adapted.heads": float(bool(changes)),
    }
    return replace_fusion(new, fusion, metrics, out_of_distribution)


def _out_of_distribution(bundle: ModelBundle, shift: Shift) -> OodDetector | None:
    """Return the bundle's own, its uncertainty margin of near images converted by `shift`."""
    out_of_distribution = read_out_of_distribution(bundle)
    if out_of_distribution is None:
        return None
    return replace(
        out_of_distribution,
        entry=replace(
            out_of_distribution.entry,
            uncertainty_margin=out_of_distribution.entry.uncertainty_margin / shift.scale,
        ),
    )


def adapted_scores(before: Path | str, result: Adapted) -> dict[str, dict[str, float]]:
    """Return AUROC, sensitivity, specificity and ECE on the adaptation's studies, before and after.

    Decisions are at the operating point of either bundle. nan where a class is missing.
    """
    images, point = result.images, result.bundle.manifest.operating_point
    old = read_bundle(before).manifest.fusion.thresholds[point]
    new = result.bundle.manifest.fusion.thresholds[point]
    both = {"before": (result.before, old), "after": (result.after, new)}
    scores = {}
    for when, (probability, thresholds) in both.items():
        limit = np.array([thresholds[p] for p in images.part])
        sample = Sample([*images.patient], images.abnormal, probability, probability >= limit)
        ones = np.ones((1, len(probability)))
        all_of = statistics(sample)
        scores[when] = {name: float(all_of[name](ones)[0]) for name in MEASURES}
    return scores
