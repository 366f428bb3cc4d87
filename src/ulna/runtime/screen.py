"""Screen images before prediction: polarity, out-of-distribution level, and refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ulna.bundle import OodDetector
from ulna.config.input_spec import InputSpec
from ulna.imaging.geometry import Placement
from ulna.imaging.non_radiograph import inspect_pixels, negative
from ulna.preprocess import prepare
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.outputs import ImageOutputs
from ulna.types import Array, BodyPart, ImagePrediction, ImageRef, OodLevel, Radiograph

# The polarity is corrected only if the distance of the negative is at most this share.
CLOSER = 0.9
# Views disagree on the body part only if its probability is at least this in each of them.
_SURE = 0.8

Run = Callable[[Array], Mapping[str, Sequence[ExpertOutput]]]
Disturb = Callable[[Radiograph], Radiograph]
NOT_LEARNED = "does not look like the images this model learned from; no answer"


@dataclass(frozen=True)
class PreparedImage:
    """A view prepared for the experts. pixels: (1, S, S). again: reads the image once more."""

    ref: ImageRef
    pixels: Array
    placement: Placement
    non_radiograph: str
    page: bool
    again: Callable[[], Radiograph]

    @classmethod
    def of(
        cls, ref: ImageRef, radiograph: Radiograph, spec: InputSpec, again: Callable[[], Radiograph]
    ) -> PreparedImage:
        """Prepare a decoded radiograph."""
        pixels, placement = prepare(radiograph, spec)
        return cls(ref, pixels, placement, *inspect_pixels(radiograph), again)

    def negative(self, spec: InputSpec) -> Array:
        """Return the (1, S, S) pixels of the image with inverted greys."""
        image = self.again()
        return prepare(replace(image, pixels=negative(image)), spec)[0]

    def disturbed(self, spec: InputSpec, disturb: Disturb) -> Array:
        """Return the (1, S, S) pixels of the image as changed by `disturb`."""
        return prepare(disturb(self.again()), spec)[0]


@dataclass(frozen=True)
class Verdict:
    """The result of screening an image.

    distance: Mahalanobis distance divided by its limit. outlier_score: from
    `OodDetector.outlier_score`. Each None if the bundle has no such statistics. refusal: why the
    image is refused, or ''.
    """

    distance: float | None
    outlier_score: float | None
    out_of_distribution: OodLevel
    refusal: str = ""


def run_views(views: Sequence[PreparedImage], run: Run) -> list[ImageOutputs]:
    """Run the experts on the views, without any correction."""
    outputs = run(np.stack([v.pixels for v in views]))
    return [
        ImageOutputs(
            v.ref,
            v.placement,
            {n: o[i] for n, o in outputs.items()},
            non_radiograph=v.non_radiograph,
            page=v.page,
        )
        for i, v in enumerate(views)
    ]


def with_calibration_copies(
    images: Sequence[ImageOutputs],
    views: Sequence[PreparedImage],
    run: Run,
    spec: InputSpec,
    disturb: Disturb | None,
) -> list[ImageOutputs]:
    """Add the outputs for every view's negative and for a copy changed by `disturb` (or None).

    Calibration uses them to fit the out-of-distribution detector.
    """
    negatives = run(np.stack([v.negative(spec) for v in views]))
    copied = [
        replace(image, negative={n: o[i].features for n, o in negatives.items()})
        for i, image in enumerate(images)
    ]
    if disturb is None:
        return copied
    copies = run(np.stack([v.disturbed(spec, disturb) for v in views]))
    return [
        replace(image, disturbed={n: without_map(o[i]) for n, o in copies.items()})
        for i, image in enumerate(copied)
    ]


def without_map(output: ExpertOutput) -> ExpertOutput:
    """Drop the heat map to save memory where only logits and features are needed."""
    return replace(output, cam=np.zeros((0, 0, 0), np.float32))


def correct_polarity(
    images: Sequence[ImageOutputs],
    views: Sequence[PreparedImage],
    run: Run,
    detector: OodDetector,
    spec: InputSpec,
) -> list[ImageOutputs]:
    """Replace outputs by those of the negative where that is in distribution and clearly closer.

    Only views that are farther away than most in-distribution images are run a second time.
    """
    scores = [detector.score(_features(i)) for i in images]
    doubtful = [
        k
        for k, (image, score) in enumerate(zip(images, scores, strict=True))
        if score is not None
        and score > detector.entry.check_negative_from
        and not image.non_radiograph
    ]
    corrected = list(images)
    if not doubtful:
        return corrected
    outputs = run(np.stack([views[k].negative(spec) for k in doubtful]))
    for i, k in enumerate(doubtful):
        turned = replace(images[k], experts={n: o[i] for n, o in outputs.items()}, inverted=True)
        before, after = scores[k], detector.score(_features(turned))
        if before is not None and after is not None and after <= min(1.0, CLOSER * before):
            corrected[k] = turned
    return corrected


def verdict(image: ImageOutputs, names: Sequence[str], detector: OodDetector | None) -> Verdict:
    """Screen an image. names: the experts in use. detector: None if the bundle has none.

    An image whose outlier score is above 1 is FAR and refused. Otherwise it is NEAR if its distance
    is above the limit. Without outlier heads, an image whose distance is above the limit is FAR.
    """
    features = {n: f for n, f in _features(image).items() if n in names}
    distance = outlier_score = None
    if detector is not None:
        distance = detector.score(features)
        outlier_score = detector.outlier_score(
            features, {n: image.experts[n].body_part for n in features}
        )
    if image.non_radiograph:
        return Verdict(distance, outlier_score, OodLevel.FAR, image.non_radiograph)
    if distance is None:
        return Verdict(None, outlier_score, OodLevel.UNKNOWN)
    refusing = distance if outlier_score is None else outlier_score
    if refusing > 1:
        return Verdict(
            distance, outlier_score, OodLevel.FAR, _far(distance, outlier_score, image.page)
        )
    return Verdict(
        distance, outlier_score, OodLevel.NEAR if distance > 1 else OodLevel.IN_DISTRIBUTION
    )


def _far(distance: float, outlier_score: float | None, page: bool) -> str:
    """Return the reason for which an image is refused by its features."""
    message = (
        f"its features lie {distance:.2f} times as far as the limit from those of the images that "
        "the bundle knows"
    )
    if outlier_score is not None:
        message = f"{NOT_LEARNED} (outlier score {outlier_score:.2f}, the limit is 1)"
    return f"the greys of a text page or a drawing, and {message}" if page else message


def accepted_views(reasons: Sequence[str], refuses: bool) -> tuple[list[int], str]:
    """Return the indices of the accepted views, and why the study is refused, or ''.

    reasons: why each view is refused, or ''. refuses: False accepts every view. If all views are
    refused, all are kept, since a prediction needs at least one.
    """
    everything = list(range(len(reasons)))
    if not refuses:
        return everything, ""
    kept = [i for i in everything if not reasons[i]]
    return (kept, "") if kept else (everything, "; ".join(dict.fromkeys(reasons)))


def flags_of(images: Sequence[ImagePrediction], kept: Collection[int]) -> tuple[str, ...]:
    """Return warnings about a study's views. kept: indices of the accepted views."""
    flags = [
        f"{Path(i.source).name}: polarity inverted, corrected before reading"
        for i in images
        if i.inverted
    ]
    flags += [
        f"{Path(image.source).name}: left out: {image.refusal}"
        for k, image in enumerate(images)
        if k not in kept
    ]
    flags += [_near_flag(images[k]) for k in kept if images[k].out_of_distribution is OodLevel.NEAR]
    sure = [(i, *_most_likely(i)) for i in images if not i.refusal]
    sure = [(i, part, p) for i, part, p in sure if p >= _SURE]
    if len({part for _, part, _ in sure}) > 1:
        each = ", ".join(f"{Path(i.source).name} {part} ({p:.2f})" for i, part, p in sure)
        flags.append(f"views disagree on the body part: {each}")
    return tuple(flags)


def _near_flag(image: ImagePrediction) -> str:
    flag = (
        f"{Path(image.source).name}: an image unlike those learned from (another hospital or "
        f"technique; {image.ood_distance or 0:.1f} times the limit)"
    )
    if image.interval is None:
        return flag
    low, high = image.interval
    return f"{flag}: its probability {image.probability:.2f} may be {low:.2f} to {high:.2f}"


def _most_likely(image: ImagePrediction) -> tuple[BodyPart, float]:
    shares = image.body_part_probabilities
    part = max(shares, key=lambda p: shares[p])
    return part, shares[part]


def _features(image: ImageOutputs) -> dict[str, Array]:
    return {n: o.features for n, o in image.experts.items() if o.features.size}
