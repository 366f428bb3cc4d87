"""The hash of the data that a run was trained on, which is stored with the weights."""

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
    """Hash the sorted study keys, labels and file names, without pixels and folders.

    kind: replaced by 'phantom' where all labelled studies are phantoms, since a model that learns
    from these alone is a demonstration. abnormal_means: meaning of the label, which decides which
    findings are known and counted.
    """
    labelled = [s.simulated for s in studies if s.abnormal is not None]
    lines = [f"{s.key}|{s.abnormal}|{[i.path.name for i in s.images]}" for s in studies]
    return DataFingerprint(
        kind="phantom" if labelled and all(labelled) else kind,
        name=name,
        n_studies=len(studies),
        n_images=sum(len(s.images) for s in studies),
        sha256=lines_sha256(lines),
        findings=finding_counts(studies, tuple(FindingCategory), abnormal_means),
    )
