"""Is it an image for this bundle, and which way round are its greys: asked before any answer."""

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

# A negative must be this much closer than the image as it came.
CLOSER = 0.9
# Both views must be this sure of their body part before they are said to disagree.
_SURE = 0.8

Run = Callable[[Array], Mapping[str, Sequence[ExpertOutput]]]
Disturb = Callable[[Radiograph], Radiograph]
NOT_LEARNED = "does not look like the images this model learned from; no answer"


@dataclass(frozen=True)
class PreparedImage:
    """A view ready for the experts. pixels: (1, S, S). again: reads the image once more."""

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
        """The view of a radiograph that was read."""
        pixels, placement = prepare(radiograph, spec)
        return cls(ref, pixels, placement, *inspect_pixels(radiograph), again)

    def negative(self, spec: InputSpec) -> Array:
        """(1, S, S) of the image with its greys turned round."""
        image = self.again()
        return prepare(replace(image, pixels=negative(image)), spec)[0]

    def disturbed(self, spec: InputSpec, disturb: Disturb) -> Array:
        """(1, S, S) of the image as `disturb` changes it."""
        return prepare(disturb(self.again()), spec)[0]


@dataclass(frozen=True)
class Verdict:
    """Whether an image is one for the bundle; no other noun holds both distances and the answer.

    distance: from the known images, 1 at their limit. outlier_score: as
    `OodDetector.outlier_score`. Each None where the bundle cannot tell. refusal: why there is
    no answer, or ''.
    """

    distance: float | None
    outlier_score: float | None
    out_of_distribution: OodLevel
    refusal: str = ""


def run_views(views: Sequence[PreparedImage], run: Run) -> list[ImageOutputs]:
    """What the experts say of the views as they came."""
    result = run(np.stack([v.pixels for v in views]))
    return [
        ImageOutputs(
            v.ref,
            v.placement,
            {n: o[i] for n, o in result.items()},
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
    """The same with the features of every view's negative and of its copy, for calibration.

    disturb: None for no copies.
    """
    negatives = run(np.stack([v.negative(spec) for v in views]))
    result = [
        replace(image, negative={n: o[i].features for n, o in negatives.items()})
        for i, image in enumerate(images)
    ]
    if disturb is None:
        return result
    copies = run(np.stack([v.disturbed(spec, disturb) for v in views]))
    return [
        replace(image, disturbed={n: without_map(o[i]) for n, o in copies.items()})
        for i, image in enumerate(result)
    ]


def without_map(output: ExpertOutput) -> ExpertOutput:
    """The same with an empty map: thousands are kept for their logits and features."""
    return replace(output, cam=np.zeros((0, 0, 0), np.float32))


def correct_polarity(
    images: Sequence[ImageOutputs],
    views: Sequence[PreparedImage],
    run: Run,
    detector: OodDetector,
    spec: InputSpec,
) -> list[ImageOutputs]:
    """The same, with the outputs of the negative where that is clearly an image and closer.

    Only views farther away than most good images are looked at twice.
    """
    scores = [detector.score(_features(i)) for i in images]
    doubtful = [
        k
        for k, (image, score) in enumerate(zip(images, scores, strict=True))
        if score is not None
        and score > detector.entry.check_negative_from
        and not image.non_radiograph
    ]
    right = list(images)
    if not doubtful:
        return right
    result = run(np.stack([views[k].negative(spec) for k in doubtful]))
    for i, k in enumerate(doubtful):
        turned = replace(images[k], experts={n: o[i] for n, o in result.items()}, inverted=True)
        before, after = scores[k], detector.score(_features(turned))
        if before is not None and after is not None and after <= min(1.0, CLOSER * before):
            right[k] = turned
    return right


def verdict(
    image: ImageOutputs, names: Sequence[str], detector: OodDetector | None
) -> Verdict:
    """Whether an image is an image for the bundle. names: of the experts that answer.

    What lies beyond the limit of the outlier score is FAR and refused; else what lies beyond the
    limit of distance is NEAR. A bundle that knows no outliers refuses what lies beyond the limit of
    distance.
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
    """Why an image is refused by its features."""
    message = (
        f"its features lie {distance:.2f} times as far as the limit from those of the images that "
        "the bundle knows"
    )
    if outlier_score is not None:
        message = f"{NOT_LEARNED} (it looks {outlier_score:.2f} of the way from these to the limit)"
    return f"the greys of a text page or a drawing, and {message}" if page else message


def refusal(
    image: ImageOutputs, names: Sequence[str], detector: OodDetector | None
) -> str:
    """Why an image is refused, or ''."""
    return verdict(image, names, out_of_distribution).refusal


def accepted_views(reasons: Sequence[str], refuses: bool) -> tuple[list[int], str]:
    """Which views answer, and why the study is refused or ''.

    reasons: of each view's refusal, or ''. refuses: False lets every view answer. Where all are
    refused all are kept, since an answer must be made of something.
    """
    everything = list(range(len(reasons)))
    if not refuses:
        return everything, ""
    kept = [i for i in everything if not reasons[i]]
    return (kept, "") if kept else (everything, "; ".join(dict.fromkeys(reasons)))


def flags_of(images: Sequence[ImagePrediction], kept: Collection[int]) -> tuple[str, ...]:
    """What a reader should know of a study's views. kept: places of those that answer."""
    message = [
        f"{Path(i.source).name}: polarity inverted, put right before reading"
        for i in images
        if i.inverted
    ]
    message += [
        f"{Path(image.source).name}: left out: {image.refusal}"
        for k, image in enumerate(images)
        if k not in kept
    ]
    message += [
        _near_flag(images[k]) for k in kept if images[k].out_of_distribution is OodLevel.NEAR
    ]
    sure = [(i, *_most_likely(i)) for i in images if not i.refusal]
    sure = [(i, part, p) for i, part, p in sure if p >= _SURE]
    if len({part for _, part, _ in sure}) > 1:
        each = ", ".join(f"{Path(i.source).name} {part} ({p:.2f})" for i, part, p in sure)
        message.append(f"views disagree on the body part: {each}")
    return tuple(message)


def _near_flag(image: ImagePrediction) -> str:
    message = (
        f"{Path(image.source).name}: an image unlike those learned from (another hospital or "
        f"technique; {image.ood_distance or 0:.1f} times the limit)"
    )
    if image.interval is None:
        return message
    low, high = image.interval
    return f"{message}: its probability {image.probability:.2f} may be {low:.2f} to {high:.2f}"


def _most_likely(image: ImagePrediction) -> tuple[BodyPart, float]:
    shares = image.body_part_probabilities
    part = max(shares, key=lambda p: shares[p])
    return part, shares[part]


def _features(image: ImageOutputs) -> dict[str, Array]:
    return {n: o.features for n, o in image.experts.items() if o.features.size}
