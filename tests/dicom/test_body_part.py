"""Names of the seven regions and of all other regions in headers."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import pytest
from dicom_files import encoded, make
from pydicom.dataset import Dataset

from ulna.dicom.body_part import parse_body_part, parse_body_part_codes
from ulna.dicom.other_regions import OTHER_REGIONS
from ulna.errors import ImageWarning
from ulna.imaging import read_radiograph
from ulna.types import BodyPart

# Body Part Examined as archives hold it: sides, plurals, views, glued words, other languages.
MEANT = {
    BodyPart.ELBOW: "ELBOW|elbow|L ELBOW|LELBOW|ELBOWS|ELBOW 2 VIEWS|Ellenbogen li.|COUDE G|CODO|"
    "RADIAL HEAD",
    BodyPart.FINGER: "FINGERS|THUMB|2ND FINGER|FINGER OF HAND|DOIGT|DEDO|DITO|THUMB LEFT HAND|"
    "L HAND 3RD DIGIT|PHALANX OF HAND",
    BodyPart.FOREARM: "FOREARM|RADIUS|ULNA|RADIUS/ULNA|RADIUSULNA|LOWER ARM|AVANT-BRAS D|UNTERARM|"
    "ARM, LOWER",
    BodyPart.HAND: "HANDS|LT_HAND|HANDRT|XRHAND|HAND BONE AGE|BOTH HANDS|MAIN G|MANO|MÃO",
    BodyPart.HUMERUS: "HUMERUS|UPPER ARM|UPPERARM|UPPER_ARM|OBERARM|HUMERO|R HUMERUS|"
    "ARM, UPPER|UP ARM|HUMERAL HEAD",
    BodyPart.SHOULDER: "SHOULDER|SHLD|RSHOULDER|SHOULDERR|Schulter re.|Épaule gauche|HOMBRO|SPALLA",
    BodyPart.WRIST: "WRIST|wrist|L WRIST|R-WRIST-PA|WRIST3V|WRISTS|Handgelenk|POIGNET D|MUÑECA",
}
NOT_ONE = (
    "KNEE|CHEST|CLAVICLE|SCAPULA|SKULL|HIP|FOOT|ANKLE|RIBS|L-SPINE|AC JOINT|TIB/FIB|DEDO DEL PIE|"
    "HAND WRIST|HAND\\WRIST|SHOULDER CLAVICLE|HANDFOOT|ZZZZ|HAND/FINGERS|UPPER GI|LOWER EXTREMITY|"
    "DIGIT|FOOT DIGIT"
)
NO_WORD = "|EXTREMITY|UPPER EXTREMITY|UP_EXM|EXTREMITY UPPER|ARM|UNKNOWN|L|BONE"


@pytest.mark.parametrize(
    ("text", "part"), [(t, part) for part, texts in MEANT.items() for t in texts.split("|")]
)
def test_words_for_one_of_the_seven(text: str, part: BodyPart) -> None:
    assert parse_body_part(text).part is part and not parse_body_part(text).other


@pytest.mark.parametrize("text", NOT_ONE.split("|"))
def test_words_for_anything_else_are_quoted(text: str) -> None:
    result = parse_body_part(text)
    assert result.part is None and result.other == text


@pytest.mark.parametrize("text", NO_WORD.split("|"))
def test_words_that_fit_each_of_the_seven_say_nothing(text: str) -> None:
    assert parse_body_part(text).part is None and not parse_body_part(text).other


def test_no_other_region_of_the_standard_passes_for_one_of_the_seven() -> None:
    for region in OTHER_REGIONS - {"OTHER"}:
        assert parse_body_part(region).other_anatomy and parse_body_part(region).part is None


@pytest.mark.parametrize(
    ("code", "meaning", "part"),
    [
        ("74670003", "", BodyPart.WRIST),
        ("8205005", "Wrist region", BodyPart.WRIST),
        ("5951000", "Structure of left wrist region", BodyPart.WRIST),
        ("78791008", "Structure of right hand", BodyPart.HAND),
        ("T-D8700", "Hand", BodyPart.HAND),
        ("T-15430", "Elbow joint", BodyPart.ELBOW),
        ("368209003", "Right upper arm", BodyPart.HUMERUS),
        ("91775009", "Structure of left shoulder region", BodyPart.SHOULDER),
        ("64262003", "Structure of right forearm", BodyPart.FOREARM),
        ("999999", "Structure of finger of left hand", BodyPart.FINGER),
        ("72696002", "Knee", None),
    ],
)
def test_codes_of_snomed_and_the_meaning_where_no_code_is_known(
    code: str, meaning: str, part: BodyPart | None
) -> None:
    result = parse_body_part_codes([(code, meaning)])
    assert result.part is part and bool(result.other) == (part is None)


def _coded(code: str, meaning: str, text: str) -> bytes:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = code, "SCT", meaning
    return encoded(make(AnatomicRegionSequence=[region], BodyPartExamined=text))


def test_the_text_rules_and_the_code_helps_where_the_text_says_nothing() -> None:
    assert read_radiograph(_coded("74670003", "Wrist", "EXTREMITY")).body_part is BodyPart.WRIST
    assert read_radiograph(_coded("74670003", "Wrist", "HAND WRIST")).body_part is BodyPart.WRIST
    knee = read_radiograph(_coded("74670003", "Wrist", "KNEE"))
    assert knee.body_part is None and knee.other_region == "KNEE"
    with pytest.warns(ImageWarning, match="says WRIST, Anatomic Region Knee: the first is used"):
        read_radiograph(_coded("72696002", "Knee", "WRIST"))


def test_several_values_and_odd_ones_are_one_text() -> None:
    several = read_radiograph(encoded(make(BodyPartExamined=["HAND", "WRIST"])))
    assert several.body_part is None and several.other_region == "HAND WRIST"
    long = parse_body_part("KNEE\n" + "X" * 500)
    assert len(long.other) == 40 and "\n" not in long.other


def test_the_cases_of_public_reports(real_data: Path) -> None:
    """Body part texts of archives; files and meanings in ../shared/cases."""
    cases = real_data.parent / "cases"
    if not (cases / "cases.csv").is_file():
        pytest.skip("no ../shared/cases beside this repository")
    with (cases / "cases.csv").open(encoding="utf-8", newline="") as handle:
        rows = [r for r in csv.DictReader(handle) if r["kind"] == "part"]
    for row in rows:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = read_radiograph(cases / row["file"])
        assert (result.body_part or "none") == row["expected"], row["what"]
        assert bool(result.other_region) == (row["expected"] == "none"), row["what"]
