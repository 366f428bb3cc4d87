"""Is it a film for this bundle, and which way round are its greys: asked before any answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ulna.bundle import Domain
from ulna.config.input_spec import InputSpec
from ulna.imaging.foreign import first_look, negative
from ulna.imaging.geometry import Placement
from ulna.preprocess import prepare
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.outputs import ImageOutputs
from ulna.types import Array, BodyPart, Familiarity, ImagePrediction, ImageRef, Radiograph

# A negative must be this much closer than the film as it came.
CLOSER = 0.9
# Both views must be this sure of their body part before they are said to disagree.
_SURE = 0.8

Run = Callable[[Array], Mapping[str, Sequence[ExpertOutput]]]
Disturb = Callable[[Radiograph], Radiograph]
NOT_LEARNED = "does not look like the films this model learned from; no answer"


@dataclass(frozen=True)
class PreparedView:
    """A view ready for the experts. pixels: (1, S, S). again: reads the film once more."""

    ref: ImageRef
    pixels: Array
    placement: Placement
    foreign: str
    page: bool
    again: Callable[[], Radiograph]

    @classmethod
    def of(
        cls, ref: ImageRef, radiograph: Radiograph, spec: InputSpec, again: Callable[[], Radiograph]
    ) -> PreparedView:
        """The view of a radiograph that was read."""
        pixels, placement = prepare(radiograph, spec)
        return cls(ref, pixels, placement, *first_look(radiograph), again)

    def negative(self, spec: InputSpec) -> Array:
        """(1, S, S) of the film with its greys turned round."""
        film = self.again()
        return prepare(replace(film, pixels=negative(film)), spec)[0]

    def disturbed(self, spec: InputSpec, disturb: Disturb) -> Array:
        """(1, S, S) of the film as `disturb` changes it."""
        return prepare(disturb(self.again()), spec)[0]


@dataclass(frozen=True)
class Verdict:
    """Of an image: is it a film for the bundle. No other noun holds both distances and the answer.

    distance: from the known films, 1 at their limit. outside: as `Domain.outside`. Each None
    where the bundle cannot tell. refusal: why there is no answer, or ''.
    """

    distance: float | None
    outside: float | None
    domain: Familiarity
    refusal: str = ""


def run_views(views: Sequence[PreparedView], run: Run) -> list[ImageOutputs]:
    """What the experts say of the views as they came."""
    found = run(np.stack([v.pixels for v in views]))
    return [
        ImageOutputs(
            v.ref, v.placement, {n: o[i] for n, o in found.items()}, foreign=v.foreign, page=v.page
        )
        for i, v in enumerate(views)
    ]


def with_copies(
    images: Sequence[ImageOutputs],
    views: Sequence[PreparedView],
    run: Run,
    spec: InputSpec,
    disturb: Disturb | None,
) -> list[ImageOutputs]:
    """The same with the features of every view's negative and of its copy, for calibration.

    disturb: None for no copies.
    """
    negatives = run(np.stack([v.negative(spec) for v in views]))
    found = [
        replace(image, negative={n: o[i].features for n, o in negatives.items()})
        for i, image in enumerate(images)
    ]
    if disturb is None:
        return found
    copies = run(np.stack([v.disturbed(spec, disturb) for v in views]))
    return [
        replace(image, disturbed={n: without_map(o[i]) for n, o in copies.items()})
        for i, image in enumerate(found)
    ]


def without_map(output: ExpertOutput) -> ExpertOutput:
    """The same with an empty map: thousands are kept for their logits and features."""
    return replace(output, cam=np.zeros((0, 0, 0), np.float32))


def put_right(
    images: Sequence[ImageOutputs],
    views: Sequence[PreparedView],
    run: Run,
    domain: Domain,
    spec: InputSpec,
) -> list[ImageOutputs]:
    """The same, with the outputs of the negative where that is clearly a film and closer.

    Only views farther away than most good films are looked at twice.
    """
    scores = [domain.score(_features(i)) for i in images]
    doubtful = [
        k
        for k, (image, score) in enumerate(zip(images, scores, strict=True))
        if score is not None and score > domain.entry.look_again and not image.foreign
    ]
    right = list(images)
    if not doubtful:
        return right
    found = run(np.stack([views[k].negative(spec) for k in doubtful]))
    for i, k in enumerate(doubtful):
        turned = replace(images[k], experts={n: o[i] for n, o in found.items()}, inverted=True)
        before, after = scores[k], domain.score(_features(turned))
        if before is not None and after is not None and after <= min(1.0, CLOSER * before):
            right[k] = turned
    return right


def verdict(image: ImageOutputs, names: Sequence[str], domain: Domain | None) -> Verdict:
    """Whether an image is a film for the bundle. names: of the experts that answer.

    What lies outside is FAR and refused; else what lies beyond the limit of distance is NEAR.
    A bundle that knows of nothing outside refuses what lies beyond the limit of distance.
    """
    features = {n: f for n, f in _features(image).items() if n in names}
    distance = outside = None
    if domain is not None:
        distance = domain.score(features)
        outside = domain.outside(features, {n: image.experts[n].body_part for n in features})
    if image.foreign:
        return Verdict(distance, outside, Familiarity.FAR, image.foreign)
    if distance is None:
        return Verdict(None, outside, Familiarity.UNKNOWN)
    refusing = distance if outside is None else outside
    if refusing > 1:
        return Verdict(distance, outside, Familiarity.FAR, _far(distance, outside, image.page))
    return Verdict(distance, outside, Familiarity.NEAR if distance > 1 else Familiarity.KNOWN)


def _far(distance: float, outside: float | None, page: bool) -> str:
    """Why an image is refused by its features."""
    said = (
        f"its features lie {distance:.2f} times as far as the limit from those of the films that "
        "the bundle knows"
    )
    if outside is not None:
        said = f"{NOT_LEARNED} (it looks {outside:.2f} of the way from these to the limit)"
    return f"the greys of a text page or a drawing, and {said}" if page else said


def refusal(image: ImageOutputs, names: Sequence[str], domain: Domain | None) -> str:
    """Why an image is refused, or ''."""
    return verdict(image, names, domain).refusal


def accepted(reasons: Sequence[str], refuses: bool) -> tuple[list[int], str]:
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
    said = [
        f"{Path(i.source).name}: polarity inverted, put right before reading"
        for i in images
        if i.inverted
    ]
    said += [
        f"{Path(image.source).name}: left out: {image.refusal}"
        for k, image in enumerate(images)
        if k not in kept
    ]
    said += [_near_flag(images[k]) for k in kept if images[k].domain is Familiarity.NEAR]
    sure = [(i, *_most_likely(i)) for i in images if not i.refusal]
    sure = [(i, part, p) for i, part, p in sure if p >= _SURE]
    if len({part for _, part, _ in sure}) > 1:
        each = ", ".join(f"{Path(i.source).name} {part} ({p:.2f})" for i, part, p in sure)
        said.append(f"views disagree on the body part: {each}")
    return tuple(said)


def _near_flag(image: ImagePrediction) -> str:
    said = (
        f"{Path(image.source).name}: a film unlike those learned from (another hospital or "
        f"technique; {image.foreign or 0:.1f} times the limit)"
    )
    if image.interval is None:
        return said
    low, high = image.interval
    return f"{said}: its probability {image.probability:.2f} may be {low:.2f} to {high:.2f}"


def _most_likely(image: ImagePrediction) -> tuple[BodyPart, float]:
    shares = image.body_part_probabilities
    part = max(shares, key=lambda p: shares[p])
    return part, shares[part]


def _features(image: ImageOutputs) -> dict[str, Array]:
    return {n: o.features for n, o in image.experts.items() if o.features.size}
