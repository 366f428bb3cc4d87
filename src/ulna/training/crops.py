"""Training on crops first: where masks are known, a small crop teaches more per second.

A finding covers a few per cent of the cells of a whole image, so most of a step's work is spent on
normal tissue. In the crop epochs each image is a crop, mostly around a finding where there is one,
and its label is whether the finding is in the crop.
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

# A crop is abnormal if it holds at least this share of the finding, or (a long plate) if the
# finding covers at least this share of the crop. It is normal without any part of the finding, and
# its label is unknown in between.
_ENOUGH = 0.3
_FILLED = 0.04
_CENTRED = 0.7
# Grey levels: an image brighter than the first on average counts as inverted, and pixels
# darker than the second count as air or border.
_BRIGHT, _BLACK = 140, 20
# A crop of an abnormal image without a mask has no label, so only normal crops would teach.
_LEAST_KNOWN = 0.5


def effective_crop_share(
    config: ExpertConfig, images: TrainingImages, train: npt.NDArray[np.int64]
) -> float:
    """Return the share of epochs on crops: the config's, or 0 with a warning without masks.

    Of several sources only those that have masks at all are counted: crops of the other sources'
    abnormal images have no label, and crops of their normal images teach.
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
        f"its {config.crop_share:.0%} of epochs on crops need them for {_LEAST_KNOWN:.0%} (of "
        "the sources that have any); it trains on whole images only",
        UlnaWarning,
        stacklevel=3,
    )
    return 0.0


@dataclass(frozen=True)
class CropSampling:
    """side: share of the image's side that a crop has. tissue: share of pixels that are tissue."""

    side: float
    tissue: float = 0.5

    @classmethod
    def of(cls, crop_size: int, spec: InputSpec) -> CropSampling:
        """Return the sampling of crops of crop_size px; with local contrast, air is not dark."""
        return cls(crop_size / spec.size, 0.25 if spec.local_contrast else 0.5)


def draw_centres(
    images: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.uint8],
    sampling: CropSampling,
    rng: np.random.Generator,
    hard_negatives: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.float32]:
    """Draw (B, 2) crop centres x, y in [-1, 1].

    images: (B, S, S), masks: (B, m, m). Seven in ten crops of an image with a finding are centred
    on it, up to a third of their side off centre, and the others on the densest tissue.
    hard_negatives: (B, h, h), where normal images look abnormal, all 0 for an image where that is
    unknown. Seven in ten of the other crops are drawn there, in proportion to the values.
    """
    share, span = sampling.side, 1 - sampling.side
    centres = np.empty((len(masks), 2))
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        centred, place = rng.random() < _CENTRED, rng.random()
        jitter = rng.uniform(-0.67 * share, 0.67 * share, 2)
        cells = np.flatnonzero(mask > 80)
        side = mask.shape[-1]
        if not (centred and len(cells)):
            if hard_negatives is not None and hard_negatives[i].any() and rng.random() < _CENTRED:
                cells, side = _in_proportion(hard_negatives[i], place), hard_negatives.shape[-1]
            else:
                cells, jitter = _tissue(image, side, sampling.tissue), jitter * 0
        row, column = divmod(int(cells[int(place * len(cells))]), side)
        middle = (np.array([column, row]) + 0.5) / side * 2 - 1
        centres[i] = np.clip(middle + jitter, -span, span)
    return centres.astype(np.float32)


def _in_proportion(odds: npt.NDArray[np.uint8], place: float) -> npt.NDArray[np.int64]:
    """Return the (1,) cell at the share `place` of the cumulative sum of `odds`."""
    total = np.cumsum(odds.ravel().astype(np.int64))
    return np.atleast_1d(np.searchsorted(total, place * total[-1], side="right"))


def _tissue(image: npt.NDArray[np.uint8], m: int, dense: float) -> npt.NDArray[np.int64]:
    """Return the cells of an m x m grid with the densest tissue, without air and border."""
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
    """Return the `batch` of crops with the labels of what each crop shows.

    whole_masks_Bmm: uint8 masks of the whole images, at the scale of the crops. fill: (B,) share
    that the images were shrunk to before; the area of a finding shrinks with its square. marked_F:
    (F,) bool, the categories that the masks mark, or None for all.
    """
    total = whole_masks_Bmm.flatten(1).float().sum(1) / 255
    if fill is not None:
        total = total * torch.from_numpy(fill.astype(np.float32)).to(total.device) ** 2
    inside = batch.masks.flatten(1).sum(1) / total.clamp_min(1e-6)
    some = torch.where(inside > 0, torch.nan, 0.0)
    shown = (inside >= _ENOUGH) | (batch.masks.flatten(1).mean(1) >= _FILLED)
    abnormal = torch.where(shown, 1.0, some).to(batch.abnormal.dtype)
    # without a mask it is unknown whether the crop shows the finding
    abnormal = torch.where(batch.has_mask | (batch.abnormal == 0), abnormal, torch.nan)
    if marked_F is None:
        marked_F = torch.ones_like(batch.categories[0], dtype=torch.bool)
    return batch._replace(abnormal=abnormal, categories=_categories(batch, abnormal, marked_F))


def _categories(batch: Batch, abnormal: Tensor, marked_F: Tensor) -> Tensor:
    """Return the category labels of crops whose abnormal labels are known.

    A category that the image does not show, or that is unknown for it, keeps its label. Where the
    crop holds nothing of the mask, a category of the image is absent if it is the only marked one
    that the image shows, and otherwise unknown, since the mask may be another finding's. A category
    of the image that masks do not mark is unknown in every crop. All marked categories are unknown
    where the crop holds a part of the mask or the image has none.
    """
    shown = batch.categories == 1
    single = ((shown & marked_F).sum(1) == 1) & (batch.abnormal == 1)
    gone = torch.where(single[:, None], 0.0, torch.nan).to(batch.categories.dtype)
    absent, unknown = (abnormal == 0)[:, None], torch.isnan(abnormal)[:, None]
    categories = torch.where(absent & shown, gone, batch.categories)
    seen = categories.masked_fill(unknown, torch.nan)
    return torch.where(marked_F, seen, batch.categories.masked_fill(shown, torch.nan))
