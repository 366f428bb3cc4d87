"""`ulna adapt`: a bundle, and a few labelled films of a new hospital, to a bundle for that one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ulna.bundle import (
    ConformalScores,
    Domain,
    FusionParameters,
    ModelBundle,
    check_replaceable,
    read_bundle,
    read_domain,
    replace_fusion,
    write_bundle,
)
from ulna.calibration.adapt.films import HospitalFilms, films_of
from ulna.calibration.adapt.fit import (
    HeadChange,
    HeadPlan,
    Shift,
    cross_fitted_logit,
    fit_changes,
    fit_shift,
)
from ulna.calibration.adapt.graph import probing_graph, with_head_moved
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
    said_of,
)
from ulna.evaluation.meaning import said_of_meaning
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
    """What a hospital's films brought. bundle: written. shift: of the calibrated logits.

    films: what it was fitted on. before, after: (N,) study probabilities of these; those after of
    heads that have not seen the study (cross-fitted by patient), but of the two numbers of the
    recalibration that have. changes: of the experts' heads, none where these stayed.
    """

    bundle: ModelBundle
    shift: Shift
    films: HospitalFilms
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
    calibrated logit, for all body parts, and thresholds; weights of experts, what films of limbs
    look like, and the calibration of findings stay; intervals of foreign films scale along. heads:
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
    films = read_films(bundle, studies, heads is not None, progress)
    check_enough(films)
    changes = () if heads is None else fit_changes(films, heads)
    logit = films.logit if heads is None else cross_fitted_logit(films, heads)
    shift = fit_shift(films, logit)
    after = films.probability(shift.of(logit))
    fusion = adapted_fusion(bundle.manifest, films, shift, after)
    written = _write(bundle, changes, fusion, films, place, _domain(bundle, shift))
    return Adapted(written, shift, films, films.probability(films.logit), after, changes)


def read_films(
    bundle: ModelBundle,
    studies: Sequence[Study],
    heads: bool,
    progress: Progress | None = None,
    engine: EngineSettings = PORTABLE,
) -> HospitalFilms:
    """What the bundle says of the labelled studies; heads: with what its abnormal heads read.

    A study that cannot be used is left out with a warning. Raises ConfigError where none is left.
    """
    from ulna.runtime import Predictor

    predictor = Predictor(bundle, engine)
    if heads:
        graphs = {e.name: probing_graph(bundle.graph_path(e)) for e in bundle.manifest.experts}
        predictor = predictor.with_graphs(graphs)
    return films_of(
        _outputs(predictor, _usable(studies, bundle.manifest), progress), bundle.manifest
    )


def _usable(studies: Sequence[Study], manifest: Manifest) -> list[Study]:
    parts = manifest.body_parts
    usable = [s for s in studies if s.abnormal is not None and s.body_part in parts]
    said_of_meaning(usable, manifest, "adaptation")
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
    found = []
    for done, study in enumerate(studies, start=1):
        try:
            said = predictor.outputs(study)
            images = [
                replace(i, experts={n: without_map(e) for n, e in i.experts.items()})
                for i in said.images
            ]
            found.append(replace(said, images=tuple(images)))
        except (ImageError, MemoryError) as error:
            words = f"{study.key}: left out: {said_of(error)}"
            warnings.warn(words, ImageWarning, stacklevel=4)
        if progress is not None:
            progress(done, len(studies))
    if not found:
        raise ConfigError(
            f"none of {len(studies)} studies has a label, a known body part and a film that can be "
            f"read: expected at least {MIN_POOLED} normal and {MIN_POOLED} abnormal ones"
        )
    return found


def check_enough(films: HospitalFilms) -> None:
    """ConfigError where the films are too few to say anything at all."""
    ill, patients = int(films.abnormal.sum()), len({*films.patient})
    if films.few < MIN_POOLED or patients < MIN_POOLED:
        raise ConfigError(
            f"{len(films.abnormal) - ill} normal and {ill} abnormal labelled studies of {patients} "
            f"patients: expected at least {MIN_POOLED} of each, better 10; label more"
        )


def adapted_fusion(
    manifest: Manifest, films: HospitalFilms, shift: Shift, probability: Floats
) -> FusionParameters:
    """The bundle's fusion under `shift`, with thresholds from (N,) probabilities of the studies.

    Where a part has fewer than 8 studies of either class its thresholds are those of all studies.
    What the probabilities of new studies are compared with (docs/metrics.md) are these alone.
    """
    old, parts = manifest.fusion, manifest.body_parts
    of = {p: np.array([q == p for q in films.part]) for p in parts}
    classes = {
        p: (probability[of[p] & ~films.abnormal], probability[of[p] & films.abnormal])
        for p in parts
    }
    without = [p for p in parts if not of[p].any()]
    if without:
        warnings.warn(
            f"no study of {', '.join(without)}: scale, offset and thresholds of the other body "
            "parts' films are taken, which nothing here has checked",
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
    films: HospitalFilms,
    out: Path,
    domain: Domain | None,
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
        "adapted.n_studies": float(len(films.abnormal)),
        "adapted.n_images": float(len(films.logit)),
        "adapted.heads": float(bool(changes)),
    }
    return replace_fusion(new, fusion, metrics, domain)


def _domain(bundle: ModelBundle, shift: Shift) -> Domain | None:
    """The bundle's, with what answers of foreign films are uncertain by in logits under `shift`."""
    domain = read_domain(bundle)
    if domain is None:
        return None
    return replace(domain, entry=replace(domain.entry, slack=domain.entry.slack / shift.scale))


def adapted_scores(before: Path | str, found: Adapted) -> dict[str, dict[str, float]]:
    """AUROC, sensitivity, specificity and ECE on the adaptation's own studies, before and after.

    Decisions at the operating point of either bundle; nan where a class is missing.
    """
    films, point = found.films, found.bundle.manifest.operating_point
    old = read_bundle(before).manifest.fusion.thresholds[point]
    new = found.bundle.manifest.fusion.thresholds[point]
    both = {"before": (found.before, old), "after": (found.after, new)}
    said = {}
    for when, (probability, thresholds) in both.items():
        limit = np.array([thresholds[p] for p in films.part])
        sample = Sample([*films.patient], films.abnormal, probability, probability >= limit)
        ones = np.ones((1, len(probability)))
        all_of = statistics(sample)
        said[when] = {name: float(all_of[name](ones)[0]) for name in MEASURES}
    return said
