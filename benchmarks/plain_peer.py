"""The peers to beat on real images: one plain network, whole images, no boxes, no body parts.

    python benchmarks/plain_peer.py TABLE.csv --out runs/peer-lite0 --folds-run 0 1 2 3 4
    python benchmarks/plain_peer.py TABLE.csv --peer resnet18 --out runs/peer-resnet18

`lite0`: EfficientNet-Lite0 from ImageNet weights at 320 px, batch 16, 12 epochs; flips, rotation,
scale and gamma. `resnet18`: from random weights at 224 px, batch 32, 10 epochs; flips, rotation
and brightness. Both: one channel, letterboxed images, AdamW at 1e-3 with a one-cycle rate, binary
cross-entropy, one seed for each fold. The folds are those of `ulna crossval`, and
`OUT/predictions.csv` can be compared with its: `ulna crossval ... --against OUT`. Folds that are
done already are not trained again. `ulna crossval --recipe fracatlas_plain` trains the lite0 peer
in Ulna's own loop, as an expert of the hybrid (with a head for body parts and local contrast):
docs/results/real.md compares with that one. --other TABLE: images of another source, answered by
the mean logit of all folds' networks (`OUT/other.csv`).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, ExpertConfig, InitialWeights, Recipe
from ulna.datasets import index_data
from ulna.datasets.folds import assign_folds
from ulna.imaging import read_radiograph
from ulna.models.expert import Expert
from ulna.models.initial import load_initial_weights
from ulna.preprocess import letterbox_uint8
from ulna.training.augment import as_float, augment
from ulna.types import BodyPart, Study

_STILL = {"translation": 0.05, "noise": 0.0, "invert": 0.0, "contrast": 0.0}


@dataclass(frozen=True)
class Peer:
    """A plain network and how it is trained. decay: AdamW's."""

    encoder: str
    initial: InitialWeights
    spec: InputSpec
    changes: Augmentation
    batch: int
    epochs: int
    decay: float

    def build(self) -> Expert:
        """One linear head on the pooled features: of the expert's heads `abnormal` alone learns."""
        config = ExpertConfig(name="peer", encoder=self.encoder, initial=self.initial)
        return load_initial_weights(
            config, Recipe("peer", (config,), (BodyPart.HAND,), input_spec=self.spec)
        )


def peers(initial: str) -> dict[str, Peer]:
    """By name. initial: 'imagenet' or 'file:PATH', of lite0."""
    kind, _, path = initial.partition(":")
    lite0 = Peer(
        "tf_efficientnet_lite0",
        InitialWeights(kind, path),  # type: ignore[arg-type]
        InputSpec(size=320, mean=0.498, std=0.502),
        Augmentation(rotation=20, scale=0.15, brightness=0.0, gamma=0.4, **_STILL),
        batch=16,
        epochs=12,
        decay=0.02,
    )
    resnet18 = Peer(
        "resnet18",
        InitialWeights("random"),
        InputSpec(size=224),
        Augmentation(rotation=15, scale=0.1, brightness=0.2, gamma=0, **_STILL),
        batch=32,
        epochs=10,
        decay=0.05,
    )
    return {"lite0": lite0, "resnet18": resnet18}


def decode(studies: Sequence[Study], spec: InputSpec) -> torch.Tensor:
    """(N, S, S) uint8, the first image of each study."""
    images = [letterbox_uint8(read_radiograph(s.images[0].path), spec)[0] for s in studies]
    return torch.from_numpy(np.stack(images))


def fit(peer: Peer, train: Sequence[Study], seed: int) -> Expert:
    """The network trained on `train`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images = decode(train, peer.spec)
    label = torch.tensor([float(bool(s.abnormal)) for s in train])
    model = peer.build().to(memory_format=torch.channels_last).train()
    steps = len(train) // peer.batch
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=peer.decay, fused=True)
    total = peer.epochs * steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=total)
    for epoch in range(peer.epochs):
        mean = 0.0
        for chosen in np.array_split(rng.permutation(len(train)), steps):
            pixels, _ = augment(images[chosen], images[chosen, ::4, ::4], peer.changes, rng)
            logit = logits(model, pixels, peer.spec)
            loss = functional.binary_cross_entropy_with_logits(logit, label[chosen])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            mean += float(loss.detach()) / steps
        print(f"epoch {epoch + 1}/{peer.epochs} loss {mean:.4f}", flush=True)
    return model.eval()


def logits(model: Expert, pixels: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    """(B,) of pixels (B, 1, S, S) in [0, 1]."""
    return model((pixels - spec.mean) / spec.std).abnormal_BP[:, 0]


@torch.inference_mode()
def answer(model: Expert, peer: Peer, studies: Sequence[Study]) -> list[float]:
    """The logit of each study."""
    chunks = as_float(decode(studies, peer.spec)).split(32)
    return [float(z) for c in chunks for z in logits(model, c, peer.spec)]


def main() -> None:
    """Train the folds asked for; join whatever folds are done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--peer", choices=("lite0", "resnet18"), default="lite0")
    parser.add_argument("--initial", default="imagenet", help="of lite0: imagenet or file:PATH")
    parser.add_argument("--folds-run", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--other", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    peer = peers(given.initial)[given.peer]
    folds = assign_folds(index_data(given.table))
    for k in given.folds_run:
        file = given.out / f"fold{k}.csv"
        if file.is_file():
            continue
        model = fit(peer, [s for i, fold in enumerate(folds) if i != k for s in fold], seed=k)
        save_file(model.state_dict(), given.out / f"fold{k}.safetensors")
        write(file, f"fold{k}", folds[k], answer(model, peer, folds[k]))
    done = [given.out / f"fold{k}.csv" for k in range(5) if (given.out / f"fold{k}.csv").is_file()]
    lines = [line for i, file in enumerate(done) for line in file.read_text().splitlines()[i > 0 :]]
    (given.out / "predictions.csv").write_text("\n".join(lines) + "\n")
    if given.other:
        answer_other(peer, given.out, index_data(given.other))


def answer_other(peer: Peer, out: Path, studies: Sequence[Study]) -> None:
    """OUT/other.csv: the mean logit of all folds' networks, as a probability."""
    message = []
    for file in sorted(out.glob("fold*.safetensors")):
        model = peer.build()
        model.load_state_dict(load_file(file))
        message.append(answer(model.eval(), peer, studies))
    write(out / "other.csv", "other", studies, np.mean(message, axis=0).tolist())


def write(file: Path, split: str, studies: Sequence[Study], message: Sequence[float]) -> None:
    """The columns that `ulna crossval --against` reads, of logits `said`."""
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["study", "patient", "body_part", "split", "abnormal", "study_probability"])
        for s, z in zip(studies, message, strict=True):
            row = [s.key, s.patient_id, s.body_part, split, int(bool(s.abnormal))]
            writer.writerow([*row, f"{1 / (1 + np.exp(-z)):.6f}"])


if __name__ == "__main__":
    main()
