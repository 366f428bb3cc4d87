"""A plain classifier of whole images, and its probabilities on test data after every epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ulna.config.recipe import Precision
from ulna.models.encoder import build_encoder
from ulna.training.arithmetic import adamw, start_fabric

_BATCH = 32
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A classification task. pixels: (N, S, S) uint8; target: (N,) class; train, test: indices."""

    pixels: npt.NDArray[np.uint8]
    target: npt.NDArray[np.int64]
    classes: int
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


class _Classifier(nn.Module):
    """Encoder, mean over cells, one linear layer."""

    def __init__(self, encoder: str, size: int, classes: int) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, size)
        self.head = nn.Linear(self.encoder.num_features, classes)

    def forward(self, x_B1HW: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(x_B1HW).mean(dim=(2, 3)))
        return out


@dataclass(frozen=True)
class FitSettings:
    """encoder: 'cnn' or a timm model. learning_rate: peak. seed: of weights and order.

    precision: as in a recipe, but never 'auto'.
    """

    encoder: str
    epochs: int
    learning_rate: float
    seed: int
    precision: Precision


def fit_classifier(
    task: Task, settings: FitSettings, progress: Callable[[int, int], None]
) -> Floats:
    """Return (epochs, n_test, classes) probabilities on `task.test` after each epoch.

    AdamW with a one-cycle rate, cross-entropy, random mirroring, grey values divided by 255.
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    fabric = start_fabric(settings.precision)
    classifier = _Classifier(settings.encoder, task.pixels.shape[1], task.classes)
    classifier.to(memory_format=torch.channels_last)
    steps = max(1, len(task.train) // _BATCH)
    plain = adamw(
        classifier.parameters(), settings.precision, settings.learning_rate, weight_decay=0.02
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        plain, settings.learning_rate, total_steps=settings.epochs * steps
    )
    model, optimizer = fabric.setup(classifier, plain)
    probabilities = []
    for epoch in range(settings.epochs):
        model.train()
        for chosen in np.array_split(rng.permutation(task.train), steps):
            pixels = _as_input(task.pixels[chosen])
            if rng.random() < 0.5:
                pixels = pixels.flip(-1)
            target = torch.from_numpy(task.target[chosen]).to(fabric.device)
            loss = functional.cross_entropy(model(pixels.to(fabric.device)), target)
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            _next_rate(schedule)
        probabilities.append(_probabilities(model, task, fabric.device))
        progress(epoch + 1, settings.epochs)
    return np.stack(probabilities)


def _next_rate(schedule: torch.optim.lr_scheduler.LRScheduler) -> None:
    with warnings.catch_warnings():
        # Torch mistakes a first step that float16 overflow skips for a wrong order.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        schedule.step()


@torch.inference_mode()
def _probabilities(model: nn.Module, task: Task, device: torch.device) -> Floats:
    model.eval()
    chunks = np.array_split(task.test, max(1, len(task.test) // 64))
    batches = [model(_as_input(task.pixels[c]).to(device)).softmax(1) for c in chunks]
    return torch.cat(batches).double().cpu().numpy()


def _as_input(pixels_BHW: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels_BHW).float()[:, None] / 255
