"""Functions that find the studies of a data set and split them by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.types import Study

SHARES = {"train": 0.7, "tune": 0.1, "test": 0.2}


def index(data: Path | str) -> list[Study]:
    """Find the studies of a data set; no image is decoded.

    Parameters
    ----------
    data : path
        A MURA folder, a folder of `ulna phantom`, a table (.csv, .tsv), a table of several sources
        or a folder with DICOM objects (docs/data.md says what each must look like).

    Returns
    -------
    list of Study
        With `patient_id`, `body_part`, `images`, `abnormal` (None without a label) and `split` (the
        data set's own: 'train', 'valid', 'test' or '').

    Raises
    ------
    DatasetError
        For a path that is none of these; the message lists what was expected.

    Examples
    --------
    >>> import ulna
    >>> studies = ulna.index("phantoms")
    >>> type(studies[0]).__name__, len(studies[0].images) > 0
    ('Study', True)
    """
    from ulna.datasets import index_data

    return index_data(Path(data))


def split(
    studies: Sequence[Study], shares: Mapping[str, float] | None = None, *, seed: int = 0
) -> dict[str, list[Study]]:
    """Split studies by patient, stratified by body part and label.

    Parameters
    ----------
    studies : sequence of Study
    shares : mapping of name to share
        Positive, with sum 1; by default {"train": 0.7, "tune": 0.1, "test": 0.2}.
    seed : int
        Seed of the assignment of patients to parts.

    Returns
    -------
    dict of name to list of Study
        No patient is in two parts. The order of the studies does not change the result.

    Raises
    ------
    DatasetError
        For invalid shares, or a study that occurs twice.
    SplitError
        For fewer patients than parts.

    Examples
    --------
    >>> import ulna
    >>> parts = ulna.split(ulna.index("phantoms"), {"train": 0.8, "test": 0.2})
    >>> sorted(parts)
    ['test', 'train']
    """
    from ulna.datasets import split_studies

    return split_studies(studies, shares or SHARES, seed)
