"""Header attributes, and the objects that are refused because of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import RAMP, encoded, make
from pydicom.dataset import Dataset

from ulna.errors import DicomError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.types import BodyPart, Laterality


def test_header_comes_with_the_pixels(tmp_path: Path) -> None:
    dataset = make(
        ImageLaterality="L",
        Laterality="R",
        ViewPosition="PA",
        ImagerPixelSpacing=[0.2, 0.1],
        PixelSpacing=[9, 9],
    )
    path = tmp_path / "no_ending"
    path.write_bytes(encoded(dataset))
    with pytest.warns(ImageWarning, match="2 times as high as wide"):
        result = read_radiograph(path)
    assert result.body_part is BodyPart.WRIST and result.laterality is Laterality.LEFT
    assert result.view == "PA" and result.spacing == (0.2, 0.1) and result.source == str(path)
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("part", ["", "KNEE", "WRIST", "THUMB"])
def test_body_parts(part: str) -> None:
    expected = {"WRIST": BodyPart.WRIST, "THUMB": BodyPart.FINGER}.get(part)
    assert read_radiograph(encoded(make(BodyPartExamined=part))).body_part is expected


def test_anatomic_region_sequence() -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator = "16953009", "SCT"
    region.CodeMeaning = "Elbow joint"
    coded = make(AnatomicRegionSequence=[region], BodyPartExamined="")
    assert read_radiograph(encoded(coded)).body_part is BodyPart.ELBOW
    with pytest.warns(ImageWarning, match="Body Part Examined says WRIST"):
        both = read_radiograph(encoded(make(AnatomicRegionSequence=[region])))
    assert both.body_part is BodyPart.WRIST


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "FOR PROCESSING.*FOR PRESENTATION"),
        ({"Modality": "CT"}, "modality 'CT': expected a radiograph"),
        ({"PhotometricInterpretation": "RGB"}, "expected MONOCHROME1 or 2"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "expected MONOCHROME1 or 2"),
        ({"SamplesPerPixel": 3}, "3 samples per pixel"),
        ({"Rows": 20000, "Columns": 20000}, "20000 x 20000 px: .*at most 64000000"),
        ({"Rows": 1, "Columns": 1}, "1 x 1 px: expected at least 16"),
        ({"BitsStored": 17}, "17 bits in 16"),
        ({"Rows": 65}, "cannot be decoded"),
    ],
)
def test_what_is_no_radiograph_is_refused_with_the_reason(
    attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DicomError, match=f"image: .*{message}"):
        read_radiograph(encoded(make(**attributes)), "image")


def test_no_pixel_data_and_no_description() -> None:
    dataset = make()
    del dataset.PixelData
    with pytest.raises(DicomError, match="no pixel data"):
        read_radiograph(encoded(dataset))
    dataset = make()
    del dataset.Rows
    with pytest.raises(DicomError, match="incomplete image description"):
        read_radiograph(encoded(dataset))


def test_other_and_missing_modality_are_warnings() -> None:
    with pytest.warns(ImageWarning, match="modality 'OT'"):
        read_radiograph(encoded(make(Modality="OT")))
    with pytest.warns(ImageWarning, match="modality ''"):
        read_radiograph(encoded(make(Modality="")))
