"""A study's images: which views share one, and how views and finding become grey values."""

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
    spare_cassette,
    worn,
)
from ulna.phantom.detector import expected_signal, expose, line_integral
from ulna.phantom.findings.placed import Placed
from ulna.phantom.holder import Holder, draw_holder
from ulna.phantom.nuisance import (
    Nuisance,
    develop,
    draw_nuisance,
    extra_attenuation,
    spare_nuisance,
)
from ulna.phantom.scene import Projection, Scene, project_scene
from ulna.phantom.views import View, draw_views, pose
from ulna.types import Array, BodyPart, Laterality

# Bone of at least this line integral counts when a cassette's grey values are set.
_DENSE = 0.15


@dataclass(frozen=True)
class PhantomImage:
    """One image before it is exposed: one view, or two side by side on a divided cassette; with
    the arm of a holder on some."""

    panels: tuple[View, ...]
    nuisance: Nuisance
    cassette: Cassette | None
    holder: Holder | None = None

    @property
    def name(self) -> str:
        """Of the views on it: 'PA', or 'AP+LAT' where it is divided."""
        return "+".join(view.kind.name for view in self.panels)

    def shows(self, limb: Limb, placed: Placed) -> bool:
        """Whether the middle of the finding lies on the exposed part of the image.

        A close image is aimed at all of its limb's sites.
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
    """The images of a study with their accidents; longest side `config.size` px or somewhat less.

    Accidents that are left out are drawn first, so that the others stay as they are.
    """
    if limb.hinges:
        panels = draw_arm_views(limb, part, config.framing, config.size, rng)
    else:
        panels = tuple((view,) for view in draw_views(part, config.size, rng))
    left_out = config.without
    accidents = [spare_nuisance(draw_nuisance(rng), left_out) for _ in panels]
    if config.framing == "collimated":
        return tuple(PhantomImage(p, n, None) for p, n in zip(panels, accidents, strict=True))
    accidents = [_wide(n) for n in accidents]
    cassettes = [spare_cassette(draw_cassette(rng), left_out) for _ in panels]
    drawn = [draw_holder(limb, part, views, rng) for views in panels]
    holders = [None if "holder" in left_out else one for one in drawn]
    return tuple(map(PhantomImage, panels, accidents, cassettes, holders))


def _wide(nuisance: Nuisance) -> Nuisance:
    """A pixel of a wide field is larger and so counts more photons."""
    exposure = replace(nuisance.exposure, photons=2 * nuisance.exposure.photons)
    return replace(nuisance, exposure=exposure)


def render_image(
    image: PhantomImage,
    scenes: Sequence[Scene],
    part: BodyPart,
    side: Laterality,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Grey values (H, W) uint8 and the finding's mask (H, W) bool; scenes: one for each view."""
    nuisance, cassette = image.nuisance, image.cassette
    projection = _joined(
        [project_scene(s, v.camera) for s, v in zip(scenes, image.panels, strict=True)]
    )
    if image.holder:
        projection = image.holder.added(projection)
    if side is Laterality.LEFT:
        projection = projection.mirrored()
    extra = _extra(projection.soft, image, part)
    signal = expected_signal(line_integral(projection, extra), nuisance.exposure)
    seen = expose(signal, nuisance.exposure, rng)
    if cassette is None:
        pixels = develop(seen, nuisance, side)
    else:
        pixels = develop_cassette(
            seen, projection.bone > _DENSE, part in BESIDE_TRUNK, cassette, nuisance, side
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
    """Cast and jewellery; on a cassette neither lies on the trunk."""
    if image.cassette is None:
        return extra_attenuation(soft, image.nuisance)
    return worn(soft, image.nuisance) if is_worn(image, part) else np.zeros_like(soft)


def is_worn(image: PhantomImage, part: BodyPart) -> bool:
    """Whether a cast or jewellery that was drawn lies on the image: not on the trunk."""
    return image.cassette is None or part not in BESIDE_TRUNK
