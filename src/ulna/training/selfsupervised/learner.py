"""The module for training without labels: an encoder, lightly's heads and lightly's loss.

VICReg (Bardes, Ponce, LeCun 2022) on whole crops and, as in VICRegL (the same, 2022), on cells; the
geometry of the crops matches the cells. Reasons: decision 009.

Shape suffixes: B images, V = 2B views, C channels, S side, h w grid, K matched cells, D head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VicRegLLocalProjectionHead, VICRegProjectionHead
from torch import Tensor, nn
from torch.nn import functional

from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError
from ulna.models.encoder import Encoder
from ulna.training.selfsupervised.views import Views, match_cells


class Terms(NamedTuple):
    """The loss, its global and local part, and the features' standard deviation (0: collapsed)."""

    loss: Tensor
    window_loss: Tensor
    cell_loss: Tensor
    feature_std: Tensor


class SelfSupervisedLearner(nn.Module):
    """Encoder, projection heads and loss in one forward pass, for any launcher to wrap."""

    def __init__(self, encoder: Encoder, settings: SelfSupervision) -> None:
        super().__init__()
        self.encoder = encoder
        n, d = encoder.num_features, settings.projection
        self.window_head = VICRegProjectionHead(n, d, d)
        self.cell_head = VicRegLLocalProjectionHead(n, d, d)
        self.vicreg = VICRegLoss()
        self.global_share = settings.global_share
        self.mean, self.std = settings.input_spec.mean, settings.input_spec.std

    def forward(self, views: Views) -> Terms:
        grid_VChw = self.encoder((views.pixels - self.mean) / self.std)
        # Single precision from here on: variances of small numbers.
        with torch.autocast(views.pixels.device.type, enabled=False):
            grid_VChw = grid_VChw.float()
            window_loss = self._crop_loss(grid_VChw)
            cell_loss = self._cell_loss(grid_VChw, views.places)
            share = self.global_share
            return Terms(
                loss=share * window_loss + (1 - share) * cell_loss,
                window_loss=window_loss.detach(),
                cell_loss=cell_loss.detach(),
                feature_std=grid_VChw.detach().transpose(0, 1).flatten(1).std(1).mean(),
            )

    def _crop_loss(self, grid_VChw: Tensor) -> Tensor:
        """Return VICReg of whole crops: those of an image alike, those of others different."""
        z_a, z_b = self.window_head(grid_VChw.mean(dim=(2, 3))).chunk(2)
        loss: Tensor = self.vicreg(z_a, z_b)
        return loss

    def _cell_loss(self, grid_VChw: Tensor, places_V23: Tensor) -> Tensor:
        """Return VICReg of cells: views of one place alike, places of one image different.

        Each image's mean is subtracted first. Otherwise cells could meet the variance term by
        encoding which image they come from instead of what they show.
        """
        h, w = grid_VChw.shape[-2:]
        if min(h, w) < 3:
            raise ConfigError(
                f"encoder {self.encoder.name!r} gives {h} x {w} cells for a crop: expected at "
                "least 3 x 3; set a larger crop_size"
            )
        chosen_BK, seen_BK2 = match_cells(places_V23, h, w)
        a_BChw, b_BChw = grid_VChw.chunk(2)
        index = chosen_BK[:, None].expand(-1, a_BChw.shape[1], -1)
        a_BCK = a_BChw.flatten(2).gather(2, index)
        b_BC1K = functional.grid_sample(b_BChw, seen_BK2[:, None], align_corners=False)
        cells_VKC = torch.cat([a_BCK, b_BC1K[:, :, 0]]).mT
        v, k, _ = cells_VKC.shape
        z_VKD = self.cell_head(cells_VKC.flatten(0, 1)).view(v, k, -1)
        z_a, z_b = (z_VKD - z_VKD.mean(dim=1, keepdim=True)).chunk(2)
        loss: Tensor = self.vicreg(z_a.flatten(0, 1), z_b.flatten(0, 1))
        return loss
