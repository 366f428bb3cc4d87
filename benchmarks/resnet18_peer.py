"""The peer to beat on real films: a plain ResNet-18 from random weights at 224 px.

    python benchmarks/resnet18_peer.py TABLE.csv --out runs/peer --folds-run 0 1 2 3 4

timm's `resnet18`, one channel, letterboxed films, flips, rotation and brightness; AdamW with a
one-cycle rate, binary cross-entropy, no masks. The folds are those of `ulna crossval`, and
`OUT/predictions.csv` can be compared with its: `ulna crossval ... --against OUT`. Folds that
are done already are not trained again.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation
from ulna.datasets import index_data
from ulna.datasets.folds import assign_folds
from ulna.imaging import read_radiograph
from ulna.preprocess import letterbox_uint8
from ulna.training.augment import as_float, augment
from ulna.types import Study
from ulna.unreported import unreported

with unreported():
    import timm

SPEC = InputSpec(size=224)
CHANGES = Augmentation(
    rotation=15, translation=0.05, scale=0.1, brightness=0.2, contrast=0, gamma=0, noise=0, invert=0
)
BATCH = 32


def decode(studies: list[Study]) -> torch.Tensor:
    """(N, S, S) uint8, the first film of each study."""
    films = [letterbox_uint8(read_radiograph(s.images[0].path), SPEC)[0] for s in studies]
    return torch.from_numpy(np.stack(films))


def fit(train: list[Study], epochs: int, seed: int) -> torch.nn.Module:
    """A ResNet-18 trained on `train`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    films = decode(train)
    label = torch.tensor([float(bool(s.abnormal)) for s in train])
    model = timm.create_model("resnet18", in_chans=1, num_classes=1)
    model.to(memory_format=torch.channels_last).train()
    steps = len(train) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * steps)
    for epoch in range(epochs):
        total = 0.0
        for chosen in np.array_split(rng.permutation(len(train)), steps):
            pixels, _ = augment(films[chosen], films[chosen, ::4, ::4], CHANGES, rng)
            logit = model((pixels - SPEC.mean) / SPEC.std)[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logit, label[chosen])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            total += float(loss.detach()) / steps
        print(f"epoch {epoch + 1}/{epochs} loss {total:.4f}", flush=True)
    return model.eval()


@torch.inference_mode()
def predict(model: torch.nn.Module, studies: list[Study]) -> list[float]:
    """The probability of each study."""
    chunks = as_float(decode(studies)).split(64)
    return [float(p) for c in chunks for p in model((c - SPEC.mean) / SPEC.std)[:, 0].sigmoid()]


def main() -> None:
    """Train the folds asked for; join whatever folds are done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds-run", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    folds = assign_folds(index_data(given.table))
    for k in given.folds_run:
        file = given.out / f"fold{k}.csv"
        if file.is_file():
            continue
        train = [s for i, fold in enumerate(folds) if i != k for s in fold]
        answers = predict(fit(train, given.epochs, seed=k), folds[k])
        write(file, k, folds[k], answers)
    done = [given.out / f"fold{k}.csv" for k in range(5) if (given.out / f"fold{k}.csv").is_file()]
    lines = [line for i, file in enumerate(done) for line in file.read_text().splitlines()[i > 0 :]]
    (given.out / "predictions.csv").write_text("\n".join(lines) + "\n")


def write(file: Path, fold: int, studies: list[Study], answers: list[float]) -> None:
    """The columns that `ulna crossval --against` reads."""
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["study", "patient", "body_part", "split", "abnormal", "study_probability"])
        for s, p in zip(studies, answers, strict=True):
            row = [s.key, s.patient_id, s.body_part, f"fold{fold}", int(bool(s.abnormal))]
            writer.writerow([*row, f"{p:.6f}"])


if __name__ == "__main__":
    main()
