"""Lines of code of each task with each library, as a table for docs/decisions/033.

    python benchmarks/side_by_side/count.py

Counted are lines that are neither blank nor a comment, imports too, of files that `ruff format`
left as they are (100 columns). Lines can be packed; the second number, of words and signs of
Python (tokens), cannot.
"""

from __future__ import annotations

import tokenize
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARIES = {
    "ulna": "Ulna",
    "torchxrayvision": "torchxrayvision",
    "anomalib": "anomalib",
    "segmentation_models": "segmentation_models.pytorch",
}
TASKS = {
    "answer_one": "answer for one film",
    "answer_folder": "answer for a folder, one file bad",
    "heat_map": "heat map on the film, as PNG",
    "features": "features for scikit-learn",
    "train": "train on one's own films, save",
    "evaluate": "AUROC on labelled films",
}
SPACE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def scripts(library: str) -> dict[str, Path]:
    """The files of a library by task; those of no task are variants."""
    return {path.stem: path for path in sorted((HERE / library).glob("*.py"))}


def count(script: Path) -> tuple[int, int]:
    """(lines, tokens) of code."""
    with script.open("rb") as file:
        found = [t for t in tokenize.tokenize(file.readline) if t.type not in SPACE]
    lines = {n for t in found for n in range(t.start[0], t.end[0] + 1)}
    return len(lines), len(found)


def main() -> None:
    print("| task | " + " | ".join(LIBRARIES.values()) + " |")
    print("|---|" + "---|" * len(LIBRARIES))
    totals = {library: [0, 0] for library in LIBRARIES}
    for task, what in TASKS.items():
        cells = []
        for library in LIBRARIES:
            lines, tokens = count(scripts(library)[task])
            totals[library][0] += lines
            totals[library][1] += tokens
            cells.append(f"{lines} ({tokens})")
        print(f"| {what} | {' | '.join(cells)} |")
    print("| all six | " + " | ".join(f"{n} ({k})" for n, k in totals.values()) + " |")
    for library, name in LIBRARIES.items():
        for task, path in scripts(library).items():
            if task not in TASKS:
                lines, tokens = count(path)
                print(f"\n{name}, {task}: {lines} ({tokens})")


if __name__ == "__main__":
    main()
