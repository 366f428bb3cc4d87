"""A second look: a fine expert reads only where a coarse one sees the most, on held-out images.

    python benchmarks/second_look.py TABLE.csv --coarse runs/cv --fine runs/cv-640 --fold 0

COARSE and FINE are folders of `ulna crossval` on TABLE with inputs of different size, one expert
with attention each. Of every image of the fold the fine expert reads the whole, or squares around
the coarse attention's highest places only. What is compared is the evidence, the log-sum-exp
of the attention's scores: of the coarse expert, of the fine one, and the sum of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ulna.config.codec import read_json
from ulna.config.recipe import Recipe
from ulna.datasets import index_data
from ulna.datasets.folds import assign_folds
from ulna.imaging import read_radiograph
from ulna.metrics import auroc
from ulna.models.expert import Expert
from ulna.models.trained import load_expert
from ulna.preprocess import letterbox_uint8
from ulna.training.augment import as_float
from ulna.types import Study

SIDE = 192  # px of the fine input, a multiple of every encoder's stride


def load(run: Path) -> tuple[Expert, Recipe]:
    """The one expert of a fold's run."""
    recipe = read_json(Recipe, run / "recipe.json")
    return load_expert(run, recipe, recipe.experts[0]).eval(), recipe


def images(studies: list[Study], recipe: Recipe) -> Tensor:
    """(N, S, S) uint8, the first image of each study."""
    read = [read_radiograph(s.images[0].path) for s in studies]
    return torch.from_numpy(np.stack([letterbox_uint8(r, recipe.input_spec)[0] for r in read]))


@torch.inference_mode()
def scores(expert: Expert, pixels_NHW: Tensor, recipe: Recipe) -> Tensor:
    """(N, h, w) scores of the attention."""
    spec = recipe.input_spec
    result = [expert((as_float(c) - spec.mean) / spec.std) for c in pixels_NHW.split(8)]
    return torch.cat([out.attention_BAhw[:, 0] for out in result])


def evidence(score_Nhw: Tensor) -> np.ndarray:
    """(N,) log-sum-exp over the cells."""
    return score_Nhw.flatten(1).logsumexp(1).numpy()


def peaks(score_hw: Tensor, number: int, apart: int) -> list[tuple[int, int]]:
    """The highest cells (row, column), each at least `apart` cells from those before."""
    left = score_hw.clone()
    result = []
    for _ in range(number):
        row, column = divmod(int(left.argmax()), left.shape[1])
        result.append((row, column))
        left[
            max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1
        ] = -torch.inf
    return result


def squares(score_Nhw: Tensor, pixels_NHW: Tensor, number: int) -> Tensor:
    """(N * number, SIDE, SIDE) of the fine images around the coarse attention's peaks."""
    size, cells = pixels_NHW.shape[1], score_Nhw.shape[1]
    apart = max(1, round(SIDE / size * cells / 2))
    cut = []
    for score_hw, image in zip(score_Nhw, pixels_NHW, strict=True):
        for cell in peaks(score_hw, number, apart):
            top, left = (
                int(np.clip((c + 0.5) / cells * size - SIDE / 2, 0, size - SIDE)) for c in cell
            )
            cut.append(image[top : top + SIDE, left : left + SIDE])
    return torch.stack(cut)


def main() -> None:
    """One row for each way of looking: AUROC, and the pixels read beside the coarse pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--coarse", type=Path, required=True)
    parser.add_argument("--fine", type=Path, required=True)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--looks", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    torch.set_num_threads(1)
    studies = assign_folds(index_data(given.table))[given.fold]
    abnormal = np.array([bool(s.abnormal) for s in studies])
    (coarse, first), (fine, second) = (
        load(f / f"fold{given.fold}") for f in (given.coarse, given.fine)
    )
    pixels = images(studies, second)
    seen = scores(coarse, images(studies, first), first)
    whole = evidence(scores(fine, pixels, second))
    base = evidence(seen)
    area = second.input_spec.size**2 / first.input_spec.size**2
    print(f"{len(studies)} images, {abnormal.sum()} abnormal")
    print(f"coarse {auroc(abnormal, base):.3f}, pixels 1")
    print(f"fine {auroc(abnormal, whole):.3f}, pixels {area:.2f}")
    print(f"both {auroc(abnormal, base + whole):.3f}, pixels {1 + area:.2f}")
    for number in given.looks:
        cut = scores(fine, squares(seen, pixels, number), second)
        look = np.logaddexp.reduce(evidence(cut).reshape(len(studies), number), axis=1)
        cost = 1 + number * SIDE**2 / first.input_spec.size**2
        print(
            f"second look at {number}: alone {auroc(abnormal, look):.3f}, with coarse "
            f"{auroc(abnormal, base + look):.3f}, pixels {cost:.2f}"
        )


if __name__ == "__main__":
    main()
