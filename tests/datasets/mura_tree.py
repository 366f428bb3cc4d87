"""Builds MURA-shaped trees for tests: every image is a hard link to one small PNG."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

Counts = Mapping[str, tuple[int, int, int, int]]


def write_png(path: Path, side: int = 20) -> Path:
    """A small grey ramp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize((side, side)).save(path)
    return path


def add_study(root: Path, path: str, images: int = 1) -> list[str]:
    """The images of one study, `path` like train/XR_WRIST/patient00001/study1_positive."""
    source = root.parent / ".pixel.png"
    if not source.exists():
        write_png(source)
    (root / path).mkdir(parents=True)
    names = [f"{path}/image{j}.png" for j in range(1, images + 1)]
    for name in names:
        os.link(source, root / name)
    return names


def write_csvs(root: Path, names: list[str], *, header: bool = False, crlf: bool = False) -> None:
    """The four CSVs for the images `names`, paths beginning with the root folder's name."""
    end = "\r\n" if crlf else "\n"
    for split in ("train", "valid"):
        own = [n for n in names if n.startswith(split)]
        studies = dict.fromkeys(n.rsplit("/", 1)[0] for n in own)
        images = ["path"] * header + [f"{root.name}/{n}" for n in own]
        labels = ["path,label"] * header + [
            f"{root.name}/{s}/,{int(s.endswith('positive'))}" for s in studies
        ]
        (root / f"{split}_image_paths.csv").write_text("".join(f"{i}{end}" for i in images))
        (root / f"{split}_labeled_studies.csv").write_text("".join(f"{s}{end}" for s in labels))


def write_full(root: Path, train: Counts, valid: Counts) -> list[str]:
    """A tree with the given counts per region: normal, abnormal studies and images."""
    names: list[str] = []
    for first, split, table in ((0, "train", train), (20000, "valid", valid)):
        patient = first
        for part, counts in table.items():
            for label, word in enumerate(("negative", "positive")):
                place = f"{split}/XR_{part}/patient{{:05d}}/study1_{word}"
                names += _add_studies(root, place, patient, (counts[label], counts[2 + label]))
                patient += counts[label]
    return names


def _add_studies(root: Path, place: str, patient: int, counts: tuple[int, int]) -> list[str]:
    studies, images = counts
    return [
        name
        for i in range(studies)
        for name in add_study(
            root, place.format(patient + i), images // studies + (i < images % studies)
        )
    ]
