"""Phantom folders: the tree, and the facts that truth.csv adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from mura_tree import add_study, write_csvs, write_png

from ulna.config.phantom import PhantomConfig
from ulna.datasets import index_data, index_phantoms
from ulna.errors import DatasetError
from ulna.imaging import read_radiograph
from ulna.types import FindingCategory, ImageRef, Laterality, Subtlety

COLUMNS = (
    "path,patient_id,study_id,body_part,split,abnormal,view,laterality,spacing_mm,"
    "category,kind,subtlety,cnr,box_x,box_y,box_w,box_h,mask"
)
BAD = "train/XR_WRIST/patient00001/study1_positive"
GOOD = "valid/XR_ELBOW/patient00002/study1_negative"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    base = tmp_path / "phantoms"
    write_csvs(base, add_study(base, BAD, 2) + add_study(base, GOOD))
    write_png(base / "masks" / BAD / "image1.png")
    start = "patient00001,study1,WRIST,train,1"
    rows = [
        COLUMNS,
        f"{BAD}/image1.png,{start},PA,L,0.5,fracture,transverse,obvious,4.5,1,2,3,4,"
        f"masks/{BAD}/image1.png",
        f"{BAD}/image1.png,{start},PA,L,0.5,hardware,plate,subtle,1.25,5,6,7,8,"
        f"masks/{BAD}/image1.png",
        f"{BAD}/image2.png,{start},LAT,L,0.5,,,,,,,,,",
        f"{GOOD}/image1.png,patient00002,study1,ELBOW,valid,0,AP,R,0.5,,,,,,,,,",
    ]
    (base / "truth.csv").write_text("\n".join(rows) + "\n")
    return base


def test_truth_is_joined_to_the_tree(root: Path) -> None:
    abnormal, normal = index_phantoms(root)
    assert index_data(root) == [abnormal, normal]
    first, second = abnormal.images
    assert (first.view, first.laterality) == ("PA", Laterality.LEFT)
    assert first.mask == root / "masks" / BAD / "image1.png" and first.mask.is_file()
    assert second.mask is None and second.findings == () and second.view == "LAT"
    fracture, hardware = first.findings
    assert fracture.box == (1.0, 2.0, 3.0, 4.0) and fracture.cnr == 4.5
    assert fracture.category is FindingCategory.FRACTURE
    assert hardware.subtlety is Subtlety.SUBTLE
    assert abnormal.subtlety is Subtlety.OBVIOUS
    assert abnormal.categories == {FindingCategory.FRACTURE, FindingCategory.HARDWARE}
    assert normal.categories == frozenset() and normal.abnormal is False
    assert normal.split == "valid" and normal.images[0].mask is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (COLUMNS, COLUMNS.replace("subtlety", "x"), "columns subtlety are missing"),
        ("obvious", "glaring", "damaged"),
        ("fracture", "cold", "damaged"),
        ("4.5", "much", "damaged"),
        ("4.5,", "4.5,,", "line 2: expected as many values as columns"),
        ("4.5,", "", "line 2: expected as many values as columns"),
        ("image2", "image3", "2 images are only in the folder or only in the table"),
    ],
)
def test_truth_that_does_not_fit(root: Path, old: str, new: str, message: str) -> None:
    file = root / "truth.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        index_phantoms(root)


def test_view_that_does_not_show_the_finding_keeps_the_study_category(root: Path) -> None:
    file = root / "truth.csv"
    hidden = "LAT,L,0.5,dislocation,anterior,moderate,0,0,0,0,0,"
    file.write_text(file.read_text().replace("LAT,L,0.5,,,,,,,,,", hidden))
    study = index_phantoms(root)[0]
    assert study.images[1].findings == ()
    assert FindingCategory.DISLOCATION in (study.categories or ())


def test_missing_truth_and_missing_masks(root: Path) -> None:
    (root / "masks" / BAD / "image1.png").unlink()
    with pytest.raises(DatasetError, match="1 masks are missing"):
        index_phantoms(root)
    (root / "truth.csv").unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        index_phantoms(root)


def test_written_phantoms_are_read_back_whole(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="numba (extra 'phantom') is not installed")
    from ulna.phantom import write_phantoms

    config = PhantomConfig(studies=6, seed=5, size=96)
    out = write_phantoms(tmp_path / "set", config, workers=1)
    studies = index_data(out)
    assert len(studies) == 6 and {s.body_part for s in studies} == set(config.parts)
    for study in studies:
        assert bool(study.categories) == study.abnormal == (study.subtlety is not None)
    for image in [i for s in studies for i in s.images]:
        assert image.view and bool(image.findings) == (image.mask is not None)
        if image.mask is not None:
            assert _mask_is_boxed(image)


def _mask_is_boxed(image: ImageRef) -> bool:
    pixels = read_radiograph(image.path).pixels
    mask = read_radiograph(image.mask).pixels > 0
    assert mask.shape == pixels.shape
    for x, y, w, h in (f.box for f in image.findings):
        mask[int(y) : int(y + h), int(x) : int(x + w)] = False
    return not mask.any()
