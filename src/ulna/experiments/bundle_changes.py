"""A bundle calibrated, adapted to a hospital, or turned to int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.config.engine import EngineSettings
from ulna.datasets import index_data
from ulna.errors import ConfigError
from ulna.experiments.extras import require
from ulna.experiments.given_data import Data, studies_of
from ulna.experiments.held_out import (
    calibration_studies,
    run_of_bundle,
    test_studies,
    training_studies,
)
from ulna.experiments.log import LOG
from ulna.experiments.progress import Progress, silent

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.bundle.quantisation import Quantisation
    from ulna.calibration.adapt.pipeline import Adapted


def calibrate(
    bundle: Path,
    run: Path,
    data: Data,
    *,
    disagreement: float = 0.01,
    outliers: Sequence[Data] = (),
    progress: Progress | None = None,
) -> ModelBundle:
    """Fit a bundle's fusion, temperatures and thresholds; its manifest is written anew.

    Uses only the studies that the run has set aside for this. `ulna.calibration.calibrate_bundle`
    takes studies that are chosen already.

    Args:
        bundle: The bundle's folder.
        run: The run that it was exported from.
        data: The data that the run was trained on: a path, or studies.
        disagreement: Of a cascade: the share of studies that may change side, between 0 and 1.
        outliers: Tables of images of other regions of the body, which the bundle learns to refuse.
        progress: Called with (stage, done, all), often; the stage is 'calibrate'.

    Returns:
        The bundle with what was fitted in its manifest.

    Raises:
        ConfigError: Data that are not those of the run.
        DatasetError: Too few studies to calibrate on.
        BundleError: A bundle that is missing or damaged.

    Example::

        bundle = calibrate(Path("runs/first/bundle"), Path("runs/first"), Path("phantoms"))
        bundle.manifest.fusion.thresholds
    """
    from ulna.calibration import calibrate_bundle
    from ulna.calibration.cascade_fit import CascadeSettings

    requested = CascadeSettings(disagreement)
    studies = calibration_studies(studies_of(data), run)
    return calibrate_bundle(
        bundle,
        studies,
        progress=partial(progress or silent, "calibrate"),
        requested=requested,
        outliers=[studies_of(table) for table in outliers],
    )


def adapt(
    bundle: Path,
    images: Path,
    out: Path,
    *,
    heads: bool = False,
    freedom: float | None = None,
    progress: Progress | None = None,
) -> tuple[Adapted, Mapping[str, dict[str, float]]]:
    """Adapt a bundle to the hospital of some 20 labelled images: one scale, one offset, thresholds.

    Args:
        bundle: The bundle's folder; it stays as it is.
        images: Table of images that the hospital has labelled, 4 studies of each class or more.
        out: Folder for the adapted bundle.
        heads: Fit the experts' linear heads too, drawn to the bundle's own by a penalty.
        freedom: Of `heads`: logits by which a typical image may move, 0.01 to 100; None for 1.
        progress: Called with (stage, done, all), often; the stage is 'adapt'.

    Returns:
        What was fitted, and AUROC, sensitivity, specificity and calibration error before and after
        on these same images, which flatters.

    Raises:
        ConfigError: `freedom` without `heads`, or an `out` that cannot be replaced.
        DatasetError: Too few studies of a class.
        BundleError: A bundle that is missing or damaged.

    Example::

        adapted, scores = adapt(Path("bundle"), Path("ours.csv"), Path("bundle-ours"))
        adapted.shift.offset  # logits
    """
    from ulna.calibration.adapt.fit import HeadPlan
    from ulna.calibration.adapt.pipeline import adapt_bundle, adapted_scores

    if freedom is not None and not heads:
        raise ConfigError(f"--freedom {freedom:g} is of moved heads: give --heads too, or leave it")
    studies, plan = index_data(images), HeadPlan(freedom or 1.0) if heads else None
    result = adapt_bundle(bundle, studies, out, plan, partial(progress or silent, "adapt"))
    return result, adapted_scores(bundle, result)


def quantise(
    bundle: Path,
    data: Path,
    out: Path,
    *,
    run: Path | None = None,
    images: int = 128,
    seed: int = 0,
    left: float = 0.0,
    engine: EngineSettings | str = "onnxruntime:fp32",
    progress: Progress | None = None,
) -> tuple[ModelBundle | None, Quantisation]:
    """Turn a bundle's graphs to int8: another bundle, if its answers are the same.

    The probability must keep within 0.02 on 99 % of the studies that `evaluate` takes, AUROC and
    pointing game within 0.003.

    Args:
        bundle: The bundle's folder.
        data: The data that its run was trained on.
        out: Folder for the int8 bundle.
        run: The bundle's run; None for the folder it lies in.
        images: Training images that the ranges come from, at most.
        seed: Of the choice of these.
        left: Least share of each expert's layers to stay in fp32, from 0 to below 1.
        engine: What computes, as 'openvino:bf16:2'.
        progress: Called with (stage, done, all), often.

    Returns:
        The int8 bundle, None where it was refused and nothing is written; and the figures, with
        their `refusals`.

    Raises:
        ConfigError: A bundle that lies in no run, or data that are not those of the run.
        BundleError: A bundle that is missing or damaged.
        DependencyError: The extra 'quantise' is not installed.

    Example::

        int8, found = quantise(Path("runs/first/bundle"), Path("phantoms"), Path("bundle-int8"))
        found.refusals if int8 is None else int8.hash
    """
    require("quantise")
    from ulna.compress.quantise import QuantisePlan, quantise_bundle

    source = run or run_of_bundle(bundle)
    if source is None:
        raise ConfigError(f"{bundle}: lies in no run: give the run that it came from with --run")
    studies = index_data(data)
    training = training_studies(studies, source)
    held_out, words = test_studies(studies, "", source)
    LOG.info("ranges of %d training studies; held out: %s", len(training), words)
    plan = QuantisePlan(images=images, seed=seed, left=left, engine=EngineSettings.of(engine))
    return quantise_bundle(bundle, training, held_out, out, plan, progress or silent)
