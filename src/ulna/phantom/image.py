"""Images of a study: which views share one, and how views and finding become grey values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ulna.config.phantom import PhantomConfig
from ulna.phantom.anatomy import Limb
from ulna.phantom.arm_views import BESIDE_TRUNK, draw_arm_views
from ulna.phantom.cassette import (
    Cassette,
    develop_cassette,
    divide,
    draw_cassette,
    hidden,
    remove_artefacts,
    worn_attenuation,
)
from ulna.phantom.confounders import (
    Confounders,
    develop,
    draw_confounders,
    extra_attenuation,
    remove_confounders,
)
from ulna.phantom.detector import expected_signal, expose, line_integral
from ulna.phantom.findings.placed import PlacedFinding
from ulna.phantom.holder import Holder, draw_holder
from ulna.phantom.scene import Projection, Scene, project_scene
from ulna.phantom.views import View, draw_views, pose
from ulna.types import Array, BodyPart, Laterality

# Least line integral of pixels that count as bone when a plate's greys are scaled.
_DENSE = 0.15


@dataclass(frozen=True)
class PhantomImage:
    """One image before exposure: one view, or two on a divided plate; some with a holder's arm."""

    panels: tuple[View, ...]
    confounders: Confounders
    cassette: Cassette | None
    holder: Holder | None = None

    @property
    def name(self) -> str:
        """Name of the views on the image, like 'PA', or 'AP+LAT' if it is divided."""
        return "+".join(view.kind.name for view in self.panels)

    def shows(self, limb: Limb, placed: PlacedFinding) -> bool:
        """Whether the middle of the finding lies on the exposed part of the image.

        An image of a limb without hinges shows all of its sites.
        """
        if not limb.hinges:
            return True
        edge = self.cassette.margins if self.cassette else (0.07, 0.07, 0.08)
        for view in self.panels:
            scene = pose(limb, view, 0)
            point = scene.bones[scene.index(placed.bone)].to_limb(placed.point)
            row, column = np.divide(view.camera.place(point), view.camera.shape)
            if edge[0] < row < 1 - edge[1] and edge[2] < column < 1 - edge[2]:
                return True
        return False

    @property
    def spacing(self) -> float:
        """Millimetres per pixel at the limb."""
        camera = self.panels[0].camera
        return camera.pixel * camera.scale


def draw_images(
    limb: Limb, part: BodyPart, config: PhantomConfig, rng: np.random.Generator
) -> tuple[PhantomImage, ...]:
    """Draw the images of a study with their confounders; the longest side is about `config.size`.

    Confounders that are left out are drawn all the same, so that the others do not change.
    """
    if limb.hinges:
        panels = draw_arm_views(limb, part, config.framing, config.size, rng)
    else:
        panels = tuple((view,) for view in draw_views(part, config.size, rng))
    left_out = config.without
    confounders = [remove_confounders(draw_confounders(rng), left_out) for _ in panels]
    if config.framing == "collimated":
        return tuple(PhantomImage(p, n, None) for p, n in zip(panels, confounders, strict=True))
    confounders = [_with_larger_pixels(n) for n in confounders]
    cassettes = [remove_artefacts(draw_cassette(rng), left_out) for _ in panels]
    drawn = [draw_holder(limb, part, views, rng) for views in panels]
    holders = [None if "holder" in left_out else one for one in drawn]
    return tuple(map(PhantomImage, panels, confounders, cassettes, holders))


def _with_larger_pixels(confounders: Confounders) -> Confounders:
    """Return confounders with the exposure of a plate, whose larger pixels count more photons."""
    exposure = replace(confounders.exposure, photons=2 * confounders.exposure.photons)
    return replace(confounders, exposure=exposure)


def render_image(
    image: PhantomImage,
    scenes: Sequence[Scene],
    part: BodyPart,
    side: Laterality,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Render (H, W) uint8 greys and the (H, W) bool mask of the finding; scenes: one per view."""
    confounders, cassette = image.confounders, image.cassette
    projection = _joined(
        [project_scene(s, v.camera) for s, v in zip(scenes, image.panels, strict=True)]
    )
    if image.holder:
        projection = image.holder.added(projection)
    if side is Laterality.LEFT:
        projection = projection.mirrored()
    extra = _extra(projection.soft, image, part)
    signal = expected_signal(line_integral(projection, extra), confounders.exposure)
    seen = expose(signal, confounders.exposure, rng)
    if cassette is None:
        pixels = develop(seen, confounders, side)
    else:
        pixels = develop_cassette(
            seen, projection.bone > _DENSE, part in BESIDE_TRUNK, cassette, confounders, side
        )
        pixels = divide(pixels, cassette) if len(image.panels) > 1 else pixels
    mask = projection.marked > 0.3
    if cassette is not None:
        mask &= ~hidden(mask.shape, cassette, len(image.panels) > 1)
    return pixels, np.ascontiguousarray(mask)


def _joined(projections: list[Projection]) -> Projection:
    if len(projections) == 1:
        return projections[0]
    fields = ("bone", "soft", "marked")
    return Projection(
        *(np.concatenate([getattr(p, f) for p in projections], axis=1) for f in fields)
    )


def _extra(soft: Array, image: PhantomImage, part: BodyPart) -> Array:
    """Return the attenuation of cast and jewellery; on a plate neither lies on the trunk."""
    if image.cassette is None:
        return extra_attenuation(soft, image.confounders)
    return (
        worn_attenuation(soft, image.confounders) if is_worn(image, part) else np.zeros_like(soft)
    )


def is_worn(image: PhantomImage, part: BodyPart) -> bool:
    """Whether a cast or jewellery that was drawn is on the image, as it never is on the trunk."""
    return image.cassette is None or part not in BESIDE_TRUNK
