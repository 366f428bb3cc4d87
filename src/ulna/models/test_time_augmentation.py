"""Test-time augmentation: an expert's mean output over an image, its mirror image and scales.

The mean of linear maps is a linear map, so the averaged map still adds up to the averaged logit. It
is part of the exported graph, so that the runtime needs no code for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ulna.config.recipe import ExpertConfig
from ulna.models.expert import Expert, ExpertOutput
from ulna.models.scale import scaled_side


class TestTimeAugmentation(nn.Module):
    """The mean of `expert` over views, with the same input and output."""

    def __init__(self, expert: Expert, config: ExpertConfig, size: int) -> None:
        super().__init__()
        self.expert = expert
        self.mirrors = (False, True) if config.test_mirror else (False,)
        self.sides = [scaled_side(size, scale) for scale in config.test_scales]

    @property
    def bias_P(self) -> Tensor:
        """The abnormal logit where the map is zero everywhere."""
        return self.expert.bias_P

    @property
    def finding_bias_F(self) -> Tensor:
        """Each category's logit where its map is zero everywhere."""
        return self.expert.finding_bias_F

    def forward(self, x_BCHW: Tensor) -> ExpertOutput:
        outs = [self._view(x_BCHW, side, m) for side in self.sides for m in self.mirrors]
        # On the grid of the first scale; changing the grid keeps the mean of each map.
        cell = outs[0].cam_BPhw.shape[-2:]
        cams = [_to_grid(o.cam_BPhw, cell) for o in outs]
        scores = [_to_grid(o.attention_BAhw, cell) for o in outs]
        finding_cams = [_to_grid(o.finding_cam_BFhw, cell) for o in outs]
        return ExpertOutput(
            abnormal_BP=torch.stack([o.abnormal_BP for o in outs]).mean(0),
            body_part_BP=torch.stack([o.body_part_BP for o in outs]).mean(0),
            finding_BF=torch.stack([o.finding_BF for o in outs]).mean(0),
            cam_BPhw=torch.stack(cams).mean(0),
            attention_BAhw=torch.stack(scores).mean(0),
            features_BC=torch.stack([o.features_BC for o in outs]).mean(0),
            finding_cam_BFhw=torch.stack(finding_cams).mean(0),
        )

    def _view(self, x_BCHW: Tensor, side: int, mirrored: bool) -> ExpertOutput:
        if side != x_BCHW.shape[-1]:
            x_BCHW = functional.interpolate(
                x_BCHW, (side, side), mode="bilinear", align_corners=False
            )
        if not mirrored:
            out: ExpertOutput = self.expert(x_BCHW)
            return out
        out = self.expert(x_BCHW.flip(-1))
        return out._replace(
            cam_BPhw=out.cam_BPhw.flip(-1),
            attention_BAhw=out.attention_BAhw.flip(-1),
            finding_cam_BFhw=out.finding_cam_BFhw.flip(-1),
        )


def with_test_time_augmentation(
    expert: Expert, config: ExpertConfig, size: int
) -> Expert | TestTimeAugmentation:
    """Return `expert`, with the test-time augmentation of its config if there is any."""
    if not config.test_mirror and config.test_scales == (1.0,):
        return expert
    return TestTimeAugmentation(expert, config, size).eval()


def _to_grid(x_BChw: Tensor, cell: torch.Size) -> Tensor:
    if x_BChw.shape[-2:] == cell or not x_BChw.shape[1]:
        return x_BChw if x_BChw.shape[1] else x_BChw.new_zeros(*x_BChw.shape[:2], *cell)
    moved = functional.interpolate(x_BChw, list(cell), mode="bilinear", align_corners=False)
    return moved + (x_BChw.mean((2, 3), keepdim=True) - moved.mean((2, 3), keepdim=True))
