"""Training on windows first: where masks are known, a small window says more per second.

A finding covers a few cells in a hundred of a whole image, so most of a step's work is spent
on what is normal anyway. In the crop epochs each image is a window, most of the time around a
finding where there is one, and its label is whether the finding is in it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.errors import UlnaWarning
from ulna.training.cache import TrainingImages
from ulna.training.learner import Batch

# A window is abnormal with at least this share of the finding in it, or (a long plate) with
# at least this share of itself in the finding; normal with none; of unknown label in between.
_ENOUGH = 0.3
_FILLED = 0.04
_AIMED = 0.7
# Grey levels: an image brighter than the first on average is taken for inverted, what is darker
# than the second for air or border.
_BRIGHT, _BLACK = 140, 20
# Without places a window of an abnormal image has no label, and only normal ones would teach.
_LEAST_KNOWN = 0.5


def window_share(
    config: ExpertConfig, images: TrainingImages, train: npt.NDArray[np.int64]
) -> float:
    """The share of epochs on windows: the config's, or 0 (with a warning) without masks.

    Of several sources those count that have masks at all: windows of the others' abnormal images
    have no label, and those of their normal images teach.
    """
    if not config.crop_share:
        return 0.0
    abnormal = train[images.abnormal[train] == 1]
    marked = np.unique(images.source[abnormal[images.has_mask[abnormal]]])
    of_marked = abnormal[np.isin(images.source[abnormal], marked)]
    known = float(images.has_mask[of_marked].mean()) if len(of_marked) else 0.0
    if known >= _LEAST_KNOWN:
        return config.crop_share
    warnings.warn(
        f"expert {config.name}: masks or boxes are known for {known:.0%} of the abnormal images: "
        f"its {config.crop_share:.0%} of epochs on windows need them for {_LEAST_KNOWN:.0%} (of "
        "the sources that have any); it trains on whole images only",
        UlnaWarning,
        stacklevel=3,
    )
    return 0.0


@dataclass(frozen=True)
class Aim:
    """share: side of a window, of the image's. dense: the share of an image taken for tissue."""

    share: float
    dense: float = 0.5

    @classmethod
    def of(cls, crop_size: int, spec: InputSpec) -> Aim:
        """For windows of crop_size px; local contrast makes air a middle grey, no tissue."""
        return cls(crop_size / spec.size, 0.25 if spec.local_contrast else 0.5)


def draw_centres(
    images: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.uint8],
    aim: Aim,
    rng: np.random.Generator,
    hard_negatives: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.float32]:
    """(B, 2) centres x, y in [-1, 1] of windows.

    images: (B, S, S), masks: (B, m, m). Seven in ten windows of an image with a finding are
    aimed at it, off centre by up to a third of their side; the others at the densest tissue.
    hard_negatives: (B, h, h) where normal images look abnormal, 0 everywhere where that is not
    known: seven in ten windows of the others are aimed there, in proportion.
    """
    share, span = aim.share, 1 - aim.share
    centres = np.empty((len(masks), 2))
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        aimed, place = rng.random() < _AIMED, rng.random()
        jitter = rng.uniform(-0.67 * share, 0.67 * share, 2)
        cells = np.flatnonzero(mask > 80)
        side = mask.shape[-1]
        if not (aimed and len(cells)):
            if hard_negatives is not None and hard_negatives[i].any() and rng.random() < _AIMED:
                cells, side = _in_proportion(hard_negatives[i], place), hard_negatives.shape[-1]
            else:
                cells, jitter = _tissue(image, side, aim.dense), jitter * 0
        row, column = divmod(int(cells[int(place * len(cells))]), side)
        middle = (np.array([column, row]) + 0.5) / side * 2 - 1
        centres[i] = np.clip(middle + jitter, -span, span)
    return centres.astype(np.float32)


def _in_proportion(odds: npt.NDArray[np.uint8], place: float) -> npt.NDArray[np.int64]:
    """(1,) the cell at the share `place` of the sum of `odds`."""
    total = np.cumsum(odds.ravel().astype(np.int64))
    return np.atleast_1d(np.searchsorted(total, place * total[-1], side="right"))


def _tissue(image: npt.NDArray[np.uint8], m: int, dense: float) -> npt.NDArray[np.int64]:
    """Cells of an m x m grid that show the densest of what is not air or border."""
    stride = image.shape[0] // m
    grey = image[::stride, ::stride][:m, :m].astype(np.int16)
    if grey.mean() > _BRIGHT:  # air is bright: inverted polarity
        grey = 255 - grey
    shown = grey[grey > _BLACK]
    level = np.quantile(shown, 1 - dense) if len(shown) else -1
    return np.flatnonzero(grey >= level)


def label_crops(
    batch: Batch,
    whole_masks_Bmm: Tensor,
    fill: npt.NDArray[np.float64] | None = None,
    marked_F: Tensor | None = None,
) -> Batch:
    """`batch` of windows with the labels of what they show.

    whole_masks_Bmm: uint8 masks of the whole images, on the windows' scale. fill: (B,) how far the
    images were shrunk before; a finding's area shrinks with the square of it. marked_F: (F,) bool,
    the categories whose place the masks mark; all without it.
    """
    total = whole_masks_Bmm.flatten(1).float().sum(1) / 255
    if fill is not None:
        total = total * torch.from_numpy(fill.astype(np.float32)).to(total.device) ** 2
    inside = batch.masks.flatten(1).sum(1) / total.clamp_min(1e-6)
    some = torch.where(inside > 0, torch.nan, 0.0)
    shown = (inside >= _ENOUGH) | (batch.masks.flatten(1).mean(1) >= _FILLED)
    abnormal = torch.where(shown, 1.0, some).to(batch.abnormal.dtype)
    # where the finding's place is unknown nobody knows what the window shows
    abnormal = torch.where(batch.has_mask | (batch.abnormal == 0), abnormal, torch.nan)
    if marked_F is None:
        marked_F = torch.ones_like(batch.categories[0], dtype=torch.bool)
    return batch._replace(abnormal=abnormal, categories=_categories(batch, abnormal, marked_F))


def _categories(batch: Batch, abnormal: Tensor, marked_F: Tensor) -> Tensor:
    """Of windows with these labels: what the image does not show, or nobody knows of, stays so.

    What the image shows is not in a window without the place marked, if it is all of the marked
    kinds that it shows; otherwise the place may be another finding's. Of a category that is not
    marked and that the image shows, nobody knows whether the window does. Of a window that shows a
    part of the place, or of an image whose place is unknown, nothing is known.
    """
    shown = batch.categories == 1
    alone = ((shown & marked_F).sum(1) == 1) & (batch.abnormal == 1)
    gone = torch.where(alone[:, None], 0.0, torch.nan).to(batch.categories.dtype)
    absent, unknown = (abnormal == 0)[:, None], torch.isnan(abnormal)[:, None]
    categories = torch.where(absent & shown, gone, batch.categories)
    seen = categories.masked_fill(unknown, torch.nan)
    return torch.where(marked_F, seen, batch.categories.masked_fill(shown, torch.nan))
