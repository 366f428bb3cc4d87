"""Phantoms in the forms that the four libraries read: none of this is counted.

    ulna phantom phantoms --studies 100 --seed 5 --size 224 --parts wrist
    python benchmarks/side_by_side/prepare.py phantoms work

`work/films/{train,valid}/{negative,positive}` holds the films and `work/masks` the same tree of
masks, `work/films.csv` is Ulna's table of the same films, `work/film.png` one film, and
`work/mixed` four films and a file that only says that it is one.
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

from PIL import Image

COLUMNS = ("path", "patient_id", "study_id", "body_part", "abnormal", "split")


def films(phantoms: Path) -> dict[str, dict[str, str]]:
    """The first row of truth.csv of each film, by its path; a film has one for each finding."""
    with (phantoms / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in reversed(list(csv.DictReader(file)))}


def write(phantoms: Path, work: Path) -> None:
    """All of `work`."""
    rows = []
    for path, row in sorted(films(phantoms).items()):
        sign = "positive" if row["abnormal"] == "1" else "negative"
        name = f"{row['patient_id']}_{row['study_id']}_{Path(path).name}"
        place = Path(row["split"], sign, name)
        for tree in ("films", "masks"):
            (work / tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(phantoms / path, work / "films" / place)
        mask = Image.new("L", Image.open(phantoms / path).size)
        if row["mask"]:
            mask = Image.open(phantoms / row["mask"])
        mask.save(work / "masks" / place)
        study = f"{row['patient_id']}-{row['study_id']}"
        known = {"path": Path("films", place).as_posix(), "study_id": study}
        rows.append({column: known.get(column, row[column]) for column in COLUMNS})
    with (work / "films.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def single(work: Path) -> None:
    """One film, and a folder of four of which a fifth cannot be read."""
    found = sorted((work / "films/valid/positive").iterdir())
    shutil.copy(found[0], work / "film.png")
    (work / "mixed").mkdir(exist_ok=True)
    for film in found[:4]:
        shutil.copy(film, work / "mixed")
    # Its name comes in the middle, so that what follows it is lost where it ends the call.
    broken = f"{found[1].stem}_broken.png"
    (work / "mixed" / broken).write_text("not a picture", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
    single(Path(sys.argv[2]))
