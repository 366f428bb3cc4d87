"""No image and no patient is in training and in test, whichever table it is read from.

Regression: ids of a table of sources begin with the source's name, so a plain table of the same
hospital (`--also`) shared no patient with it, and folds were trained on what they held out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.datasets.overlap import Overlap, keys_among
from ulna.datasets.unlabelled import without_labels
from ulna.errors import DatasetError, DatasetWarning
from ulna.types import BodyPart, ImageRef, Study


def _study(patient: str, image: str, source: str = "", simulated: bool = False) -> Study:
    name = f"{source}.{patient}" if source else patient
    images = (ImageRef(Path(image)),)
    return Study(
        name, f"s-{image}", BodyPart.HAND, images, True, source=source, simulated=simulated
    )


@pytest.mark.parametrize(
    ("known", "requested", "same"),
    [
        (("p1", "a.png"), ("p1", "b.png"), True),
        (("p1", "a.png", "atlas"), ("p1", "b.png"), True),
        (("p1", "a.png"), ("p1", "b.png", "atlas"), True),
        (("p1", "a.png", "atlas"), ("p1", "b.png", "atlas"), True),
        (("p1", "a.png", "atlas"), ("p1", "b.png", "other"), False),
        (("p1", "a.png", "atlas"), ("p2", "b.png"), False),
    ],
)
def test_a_patient_is_known_under_both_names(
    known: tuple[str, ...], requested: tuple[str, ...], same: bool
) -> None:
    assert Overlap([_study(*known)]).patient(_study(*requested)) is same


def test_an_image_is_known_whatever_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    result = Overlap([_study("p1", str(tmp_path / "a.png"), "atlas")])
    assert result.images(_study("p9", str(tmp_path / "link.png")))
    assert not result.images(_study("p9", str(tmp_path / "b.png")))


def test_images_without_labels_are_of_no_patient_of_the_labelled_ones(tmp_path: Path) -> None:
    data = [_study("p1", str(tmp_path / "a.png"), "atlas")]
    same, other = _study("p1", str(tmp_path / "b.png")), _study("p2", str(tmp_path / "c.png"))
    with pytest.warns(DatasetWarning, match="1 of patients of the labelled data"):
        assert len(without_labels([[same, other]], data)) == 1
    with pytest.warns(DatasetWarning), pytest.raises(DatasetError, match="none of 1"):
        without_labels([[same]], data)
    # Phantoms are numbered from 1 in every set.
    phantom = _study("p1", str(tmp_path / "b.png"), simulated=True)
    assert len(without_labels([[phantom]], data)) == 1


@pytest.mark.parametrize(
    ("key", "requested", "same"),
    [
        ("HAND/p1/s-a.png", ("p1", "a.png"), True),
        ("HAND/p1/s-a.png", ("p1", "a.png", "atlas"), True),
        ("HAND/atlas.p1/atlas.s-a.png", ("p1", "a.png"), True),
        ("HAND/atlas.p1/atlas.s-a.png", ("p1", "a.png", "atlas"), True),
        ("HAND/atlas.p1/atlas.s-a.png", ("p1", "a.png", "other"), False),
        ("HAND/p2/s-a.png", ("p1", "a.png", "atlas"), False),
    ],
)
def test_a_study_is_known_by_its_key_under_both_names(
    key: str, requested: tuple[str, ...], same: bool
) -> None:
    """Report: folds of a table of sources took starts from folds of one of its tables alone
    without a look at what those had learned."""
    patient, image, *source = requested
    study = replace(_study(patient, image, *source), study_id=".".join([*source, f"s-{image}"]))
    assert keys_among({key}, [study]) == ({study.key} if same else set())
