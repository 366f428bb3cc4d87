"""`ulna adapt`: a bundle, and a few labelled images of a new hospital, to a bundle for that one."""

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
    """What a hospital's images brought. bundle: written. shift: of the calibrated logits.

    images: what it was fitted on. before, after: (N,) study probabilities of these; those after of
    heads that have not seen the study (cross-fitted by patient), but of the two numbers of the
    recalibration that have. changes: of the experts' heads, none where these stayed.
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
    """Write the bundle `out`: that of `bundle_path`, calibrated on a new hospital's `studies`.

    Ten of each class are enough to begin with. Fitted are one scale and one offset of the
    calibrated logit, for all body parts, and thresholds; weights of experts, what images of limbs
    look like, and the calibration of findings stay; intervals of foreign images scale along. heads:
    the experts' abnormal heads are moved too (`fit.fit_changes`), by the same amount for every body
    part. The trunks stay as they are. A cascade is of the answers before, and goes.

    studies: of this hospital alone, labelled as the bundle means its label; known to mean something
    else, they are warned of. Those without a label, without a body part that the bundle knows, or
    without a readable image are left out with a warning, body parts without a study are named in
    one. progress(done, all) counts studies.
    Raises ConfigError with fewer than 4 studies of either class or fewer than 4 patients,
    BundleError for an `out` that is the bundle itself or holds anything else, and where a graph's
    head cannot be told apart.

    Examples
    --------
    >>> from ulna.datasets import index_data
    >>> found = adapt_bundle("bundle", index_data("ours.csv"), "ours", HeadPlan())  # doctest: +SKIP
    >>> found.shift.offset, found.bundle.hash  # doctest: +SKIP
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
    """What the bundle says of the labelled studies; heads: with what its abnormal heads read.

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
    result = []
    for done, study in enumerate(studies, start=1):
        try:
            message = predictor.outputs(study)
            images = [
                replace(i, experts={n: without_map(e) for n, e in i.experts.items()})
                for i in message.images
            ]
            result.append(replace(message, images=tuple(images)))
        except (ImageError, MemoryError) as error:
            words = f"{study.key}: left out: {message_of(error)}"
            warnings.warn(words, ImageWarning, stacklevel=4)
        if progress is not None:
            progress(done, len(studies))
    if not result:
        raise ConfigError(
            f"none of {len(studies)} studies has a label, a known body part and an image that can "
            "be "
            f"read: expected at least {MIN_POOLED} normal and {MIN_POOLED} abnormal ones"
        )
    return result


def check_enough(images: HospitalImages) -> None:
    """ConfigError where the images are too few to say anything at all."""
    ill, patients = int(images.abnormal.sum()), len({*images.patient})
    if images.few < MIN_POOLED or patients < MIN_POOLED:
        raise ConfigError(
            f"{len(images.abnormal) - ill} normal and {ill} abnormal labelled studies of "
            f"{patients} "
            f"patients: expected at least {MIN_POOLED} of each, better 10; label more"
        )


def adapted_fusion(
    manifest: Manifest, images: HospitalImages, shift: Shift, probability: Floats
) -> FusionParameters:
    """The bundle's fusion under `shift`, with thresholds from (N,) probabilities of the studies.

    Where a part has fewer than 8 studies of either class its thresholds are those of all studies.
    What the probabilities of new studies are compared with (docs/metrics.md) are these alone.
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
            f"no study of {', '.join(without)}: scale, offset and thresholds of the other body "
            "parts' images are taken, which nothing here has checked",
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
    """The bundle's, with the uncertainty margin of near images in logits under `shift`."""
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
    """AUROC, sensitivity, specificity and ECE on the adaptation's own studies, before and after.

    Decisions at the operating point of either bundle; nan where a class is missing.
    """
    images, point = result.images, result.bundle.manifest.operating_point
    old = read_bundle(before).manifest.fusion.thresholds[point]
    new = result.bundle.manifest.fusion.thresholds[point]
    both = {"before": (result.before, old), "after": (result.after, new)}
    message = {}
    for when, (probability, thresholds) in both.items():
        limit = np.array([thresholds[p] for p in images.part])
        sample = Sample([*images.patient], images.abnormal, probability, probability >= limit)
        ones = np.ones((1, len(probability)))
        all_of = statistics(sample)
        message[when] = {name: float(all_of[name](ones)[0]) for name in MEASURES}
    return message
