"""Small films, tables and broken files for the walk of scripts/golden.py; the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

Pixels = npt.NDArray[np.uint8]
_COLUMNS = "path,patient_id,study_id,body_part,abnormal"
_STORAGE = UID("1.2.840.10008.5.1.4.1.1.1")  # Computed Radiography Image Storage


def film(seed: int, abnormal: bool, wrist: bool) -> tuple[Pixels, list[int]]:
    """A bone on dark ground, a bright spot where it is abnormal; the spot's box."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(60, 12, (72, 64))
    pixels[:, 20:36] += 60 if wrist else 25
    x, y = int(rng.integers(20, 28)), int(rng.integers(10, 50))
    if abnormal:
        pixels[y : y + 12, x : x + 10] += 80
    return pixels.clip(0, 255).astype(np.uint8), [x, y, 10, 12]


def write_table(folder: Path, n: int, first: int, extra: bool = False) -> None:
    """`folder/table.csv` and its films: two body parts, half of the studies abnormal."""
    folder.mkdir(parents=True)
    lines = [_COLUMNS + (",boxes,hardware,source_width" if extra else "")]
    for i in range(n):
        wrist, abnormal = bool(i % 2), i % 4 >= 2
        pixels, box = film(first + i, abnormal, wrist)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        row = f"{i}.png,{folder.name}{i},s{i},{('ELBOW', 'WRIST')[wrist]},{int(abnormal)}"
        if extra:
            boxes = json.dumps(json.dumps([box] if abnormal else []))
            row += f",{boxes},{i // 4 % 2},{500 + 400 * (i % 3)}"
        lines.append(row)
    (folder / "table.csv").write_text("\n".join(lines) + "\n", "utf-8")


def write_dicom(path: Path, part: str, seed: int) -> None:
    """A film of 8 bits whose identifiers follow from the seed."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = _STORAGE, UID(f"1.2.3.{seed}")
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = _STORAGE, f"1.2.3.{seed}"
    data.StudyInstanceUID, data.PatientID, data.Modality = f"1.2.{seed}", f"p{seed}", "CR"
    pixels, _ = film(seed, True, True)
    data.BodyPartExamined, (data.Rows, data.Columns) = part, pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def write_odd(folder: Path) -> None:
    """What is no film: text, half a file, a coloured picture, a blank one."""
    folder.mkdir()
    (folder / "text.png").write_text("no film at all", "utf-8")
    pixels, _ = film(1, True, False)
    Image.fromarray(pixels).save(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    colours = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    Image.fromarray(colours).save(folder / "photo.png")
    Image.new("L", (96, 96), 9).save(folder / "blank.png")
    Image.fromarray(255 - np.kron(pixels, np.ones((4, 4), np.uint8))).save(folder / "inverted.png")


def write_sources(folder: Path) -> None:
    """A table of three sources."""
    rows = ["source,table,label_means,licence,role"]
    for k, (name, n) in enumerate((("atlas", 32), ("wrist", 16), ("away", 16))):
        write_table(folder / name, n, 1000 * (k + 1))
        rows.append(f"{name},{name}/table.csv,fracture,CC BY 4.0,train")
    (folder / "sources.csv").write_text("\n".join(rows) + "\n", "utf-8")


def write_scores(folder: Path) -> None:
    """Labels and answers as the MURA competition has them; one answer is missing in `few.csv`."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    labels, answers = [], []
    for i in range(60):
        label, part = int(rng.random() < 0.4), ("WRIST", "ELBOW")[i % 2]
        study = f"MURA-v1.1/valid/XR_{part}/patient{i:05}/study1_{('negative', 'positive')[label]}/"
        labels.append(f"{study},{label}\n")
        answers.append(f"{study},{label ^ int(rng.random() < 0.15)}\n")
    for name, lines in (("labels", labels), ("answers", answers), ("few", answers[:-1])):
        (folder / f"{name}.csv").write_text("".join(lines), "utf-8")


def write_all(work: Path) -> None:
    """Everything that the walk finds in its working folder."""
    write_table(work / "data", 48, 0, extra=True)
    write_table(work / "own", 24, 300)
    write_table(work / "beside", 8, 500)
    write_sources(work / "several")
    write_scores(work / "scores")
    write_odd(work / "odd")
    for seed, part in ((1, "KNEE"), (2, "L WRIST"), (3, "ELBOW")):
        write_dicom(work / f"visit/{seed}.dcm", part, seed)
    (work / "visit/4.dcm").write_bytes((work / "visit/3.dcm").read_bytes()[:300])
    (work / "empty").mkdir()
    bare = _COLUMNS + "\n0.png,p0,s0,WRIST,perhaps\n"
    (work / "data/broken.csv").write_text(bare, "utf-8")
    text = (work / "data/table.csv").read_text("utf-8").splitlines()
    normal = [text[0], *(t for t in text[1:] if ',"[]",' in t)]
    (work / "data/normal.csv").write_text("\n".join(normal) + "\n", "utf-8")
