"""The official counts of MURA v1.1, and a comparison of a folder with them."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.errors import DatasetWarning
from ulna.types import BodyPart, Study

# Per region: studies normal, abnormal and images normal, abnormal. Table 1 of arXiv 1712.06957
# (studies) and the published file lists of v1.1 (images).
TRAIN: dict[BodyPart, tuple[int, int, int, int]] = {
    BodyPart.ELBOW: (1094, 660, 2925, 2006),
    BodyPart.FINGER: (1280, 655, 3138, 1968),
    BodyPart.FOREARM: (590, 287, 1164, 661),
    BodyPart.HAND: (1497, 521, 4059, 1484),
    BodyPart.HUMERUS: (321, 271, 673, 599),
    BodyPart.SHOULDER: (1364, 1457, 4211, 4168),
    BodyPart.WRIST: (2134, 1326, 5765, 3987),
}
VALID: dict[BodyPart, tuple[int, int, int, int]] = {
    BodyPart.ELBOW: (92, 66, 235, 230),
    BodyPart.FINGER: (92, 83, 214, 247),
    BodyPart.FOREARM: (69, 64, 150, 151),
    BodyPart.HAND: (101, 66, 271, 189),
    BodyPart.HUMERUS: (68, 67, 148, 140),
    BodyPart.SHOULDER: (99, 95, 285, 278),
    BodyPart.WRIST: (140, 97, 364, 295),
}
_NAMES = ("normal studies", "abnormal studies", "normal images", "abnormal images")
_FULL = 0.9


def warn_of_counts(root: Path, studies: list[Study]) -> None:
    """Warn (DatasetWarning) of each count that differs from MURA v1.1, if this is the full set.

    The full set has all seven regions and at least 90 % of the official number of studies. Smaller
    subsets are assumed to be intended and are not compared.
    """
    official = {"train": TRAIN, "valid": VALID}
    total = sum(n[0] + n[1] for table in official.values() for n in table.values())
    if len({s.body_part for s in studies}) < len(BodyPart) or len(studies) < _FULL * total:
        return
    counted: Counter[tuple[str, BodyPart | None, int]] = Counter()
    for study in studies:
        if study.abnormal is None:
            continue
        label = int(study.abnormal)
        counted[study.split, study.body_part, label] += 1
        counted[study.split, study.body_part, 2 + label] += len(study.images)
    differences = [
        f"{split} {part.value}: {counted[split, part, i]} {_NAMES[i]}, official {expected}"
        for split, table in official.items()
        for part, counts in table.items()
        for i, expected in enumerate(counts)
        if counted[split, part, i] != expected
    ]
    if differences:
        warnings.warn(
            f"{root}: {len(differences)} counts differ from MURA v1.1:{listed(differences, 56)}",
            DatasetWarning,
            3,
        )
