"""Heat maps as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.runtime.predictions import named, prediction

from ulna.errors import IncompleteError
from ulna.runtime.answer_json import answer_json
from ulna.runtime.pictures import file_name, folder_name, new_name, write_heat_maps


def test_each_finding_has_a_picture_of_its_own(tmp_path: Path) -> None:
    written = write_heat_maps(named(tmp_path), tmp_path / "maps", 4.0)
    names = ["1_an_image", "1_an_image.fracture", "1_an_image.hardware"]
    assert [p.name for p in written] == [f"{n}.png" for n in names]
    whole, *kinds = (np.asarray(Image.open(p)) for p in written)
    assert all(k.shape == whole.shape and (k != whole).any() for k in kinds)


def test_names_fit_any_file_system_and_stay_apart() -> None:
    assert file_name("a b/c") == "a_b_c" and file_name("...") == "study"
    long = [file_name("x" * 300 + end) for end in "ab"]
    assert len(set(long)) == 2 and all(len(n) <= 120 and n.startswith("xxx") for n in long)
    assert file_name("\udcff" * 300)  # bytes of a name that are no UTF-8
    taken: set[str] = set()
    result = [new_name(n, taken) for n in ("a_b", "A_B", "a_b", "a_b_2", "c")]
    assert len({n.lower() for n in result}) == 5 and result[0] == "a_b" and result[-1] == "c"


def test_one_picture_that_cannot_be_written_costs_no_other(tmp_path: Path) -> None:
    plain = prediction(tmp_path)
    gone = replace(plain.images[0], source=str(tmp_path / "gone.png"))
    folder = tmp_path / "maps"
    (folder / "2_an_image.png").mkdir(parents=True)
    several = replace(plain, images=(plain.images[0], plain.images[0], gone, plain.images[0]))
    with pytest.raises(IncompleteError) as caught:
        write_heat_maps(several, folder, 4.0)
    assert "2_an_image.png" in str(caught.value) and "gone.png" in str(caught.value)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "1_an_image.png",
        "4_an_image.png",
    ]


def test_pictures_are_painted_only_where_the_map_is_positive(tmp_path: Path) -> None:
    answer = prediction(tmp_path)
    (path,) = write_heat_maps(answer, tmp_path / "maps" / folder_name(answer), 4.0)
    assert path.parent.parent == tmp_path / "maps"
    assert " " not in path.name and "/" not in path.parent.name
    picture = np.asarray(Image.open(path)).astype(int)
    assert picture.shape == (20, 30, 3)
    coloured = np.ptp(picture, axis=2) > 0
    assert coloured[6:9, 6:9].all()
    assert not coloured[12:, 12:].any()


def test_a_demonstration_says_so_on_every_picture_and_in_json(tmp_path: Path) -> None:
    plain = prediction(tmp_path)
    assert answer_json(plain, 0.1)["demonstration"] is False
    marked = replace(plain, demonstration=True)
    assert answer_json(marked, 0.1)["demonstration"] is True
    pictures = []
    for name, answer in (
        ("plain", plain),
        ("marked", marked),
        ("both", replace(marked, map_reliable=False)),
    ):
        (path,) = write_heat_maps(answer, tmp_path / name, 4.0)
        pictures.append(np.asarray(Image.open(path)).astype(int))
    # The strip along the top, black but for its words, is higher where more is to be said.
    blacks = [int((p.sum(axis=2) == 0).sum()) for p in pictures]
    assert blacks[0] < blacks[1] < blacks[2]
