"""Hard negatives: where normal images look abnormal to an expert in training.

A crop of a place where fractures never occur can be told from one with a fracture by the place
alone. What must be learned is the same place without the fracture, and the expert's own false
positives show where that is (bootstrapping: Sung and Poggio 1998, Example-based learning for
view-based human face detection, section 3.3).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ulna.config.input_spec import InputSpec
from ulna.models.expert import Expert, ExpertOutput
from ulna.training.augment import as_float
from ulna.training.cache import TrainingImages

HARD_SIDE = 28
_BATCH = 16


@torch.inference_mode()
def find_hard_negatives(
    expert: Expert, images: TrainingImages, chosen: npt.NDArray[np.int64], spec: InputSpec
) -> npt.NDArray[np.uint8]:
    """Return (n, 28, 28) uint8 odds of a finding per cell of the images `chosen`.

    255 is the maximum of each image. Computed from the attention where the expert has one, else
    from the mean of its maps. Leaves the expert in evaluation mode.
    """
    expert.eval()
    device = next(expert.parameters()).device
    found = np.zeros((len(chosen), HARD_SIDE, HARD_SIDE), np.uint8)
    for start in range(0, len(chosen), _BATCH):
        index = chosen[start : start + _BATCH]
        pixels = as_float(torch.from_numpy(images.images[index])).to(device)
        odds = _odds(expert((pixels - spec.mean) / spec.std))
        found[start : start + len(index)] = (odds * 255).round().byte().cpu().numpy()
    return found


def _odds(out: ExpertOutput) -> Tensor:
    """Return (B, 28, 28) in [0, 1], relative to the maximum of each image."""
    score = out.attention_BAhw if out.attention_BAhw.shape[1] else out.cam_BPhw.mean(1, True)
    side = max(HARD_SIDE, *score.shape[-2:])
    score = functional.interpolate(score, (side, side), mode="nearest")
    score = functional.adaptive_max_pool2d(score, HARD_SIDE)[:, 0]
    return (score - score.amax((1, 2), keepdim=True)).exp()
