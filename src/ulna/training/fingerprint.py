"""What a run was trained on, as a hash that travels with the weights."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.bundle import DataFingerprint
from ulna.config.meaning import ANY
from ulna.datasets.finding_labels import finding_counts
from ulna.digest import lines_sha256
from ulna.types import FindingCategory, Study


def fingerprint_studies(
    studies: Sequence[Study], kind: str, name: str, abnormal_means: str = ANY
) -> DataFingerprint:
    """Hash of the sorted study keys, labels and file names; not of pixels, not of folders.

    kind: 'phantom' where all labels are of phantoms, whatever stands beside them: what learns from
    them is a demonstration. abnormal_means: what the label says, to count the findings that are
    known.
    """
    taught = [s.simulated for s in studies if s.abnormal is not None]
    lines = [f"{s.key}|{s.abnormal}|{[i.path.name for i in s.images]}" for s in studies]
    return DataFingerprint(
        kind="phantom" if taught and all(taught) else kind,
        name=name,
        n_studies=len(studies),
        n_images=sum(len(s.images) for s in studies),
        sha256=lines_sha256(lines),
        findings=finding_counts(studies, tuple(FindingCategory), abnormal_means),
    )
