"""`ulna.load(...)`: every form of input gives the answer of `Predictor`."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ulna
from ulna.bundle import DEMONSTRATION_BUNDLE
from ulna.datasets import index_paths
from ulna.errors import ConfigError, DatasetError, ImageError, UlnaError
from ulna.imaging.read import read_radiograph
from ulna.runtime import Predictor
from ulna.types import BodyPart, ImageRef, Study


@pytest.fixture(scope="module")
def reader() -> ulna.Reader:
    return ulna.load("demonstration", engine="onnxruntime:fp32")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return save(tmp_path / "image.png", seed=0)


def save(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    pixels = np.full((150, 120), 30.0)
    pixels[:, 45 + seed : 75 + seed] = 150
    Image.fromarray(np.clip(pixels + rng.normal(0, 9, pixels.shape), 0, 255).astype("u1")).save(
        path
    )
    return path


def test_a_path_an_array_a_radiograph_and_a_study_give_one_answer(
    reader: ulna.Reader, image: Path
) -> None:
    pixels = np.asarray(Image.open(image))
    study = Study("p", "s", BodyPart.WRIST, (ImageRef(image),))
    message = [
        reader.predict(source, body_part="WRIST").probability
        for source in (image, str(image), pixels, read_radiograph(image), study, [image], [pixels])
    ]
    wanted = Predictor.load(DEMONSTRATION_BUNDLE).predict(study).probability
    assert message == [wanted] * 7


@pytest.mark.parametrize("kind", ["uint16", "float32", "float64"])
def test_an_array_of_any_type_gives_the_same_answer(
    reader: ulna.Reader, image: Path, kind: str
) -> None:
    pixels = np.asarray(Image.open(image))
    other = pixels.astype(np.uint16) * 257 if kind == "uint16" else pixels.astype(kind) / 255
    wanted = reader.predict(pixels, body_part="WRIST").probability
    assert reader.predict(other, body_part="WRIST").probability == pytest.approx(wanted, abs=1e-6)


def test_the_polarity_is_the_callers(reader: ulna.Reader, image: Path) -> None:
    pixels = np.asarray(Image.open(image))
    wanted = reader.predict(pixels, body_part="WRIST")
    turned = reader.predict(255 - pixels, body_part="WRIST", photometric="MONOCHROME1")
    assert turned.probability == pytest.approx(wanted.probability, abs=1e-6)
    np.testing.assert_allclose(turned.images[0].grid, wanted.images[0].grid, rtol=1e-3, atol=0.01)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((3, 4, 5), np.uint8), "one grey image"),
        (np.zeros((0, 5), np.uint8), "one grey image"),
        (np.zeros((4, 5), np.int32), "uint8, uint16 or floats"),
        (np.full((4, 5), 1.5), "expected 0 to 1"),
        (np.full((4, 5), np.nan), "expected 0 to 1"),
        (np.full((4, 5), -np.inf), "expected 0 to 1"),
    ],
)
def test_an_array_that_is_no_image_is_an_error(
    reader: ulna.Reader, bad: np.ndarray, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        reader.predict(bad)


def test_an_unknown_polarity_is_an_error(reader: ulna.Reader) -> None:
    with pytest.raises(ImageError, match="MONOCHROME1"):
        reader.predict(np.zeros((4, 5), np.uint8), photometric="RGB")  # type: ignore[arg-type]


def test_paths_and_arrays_in_a_list_are_the_views_of_one_study(
    reader: ulna.Reader, tmp_path: Path
) -> None:
    files = [save(tmp_path / f"{k}.png", seed=k) for k in range(2)]
    answer = reader.predict(files, body_part="ELBOW")
    assert [Path(i.source).name for i in answer.images] == ["0.png", "1.png"]
    assert answer.probability == pytest.approx(np.mean([i.probability for i in answer.images]))
    arrays = reader.predict([np.asarray(Image.open(f)) for f in files], body_part="ELBOW")
    assert arrays.probability == answer.probability
    folder = reader.predict(tmp_path, body_part="ELBOW")
    assert folder.probability == answer.probability


def test_several_studies_are_for_predict_each(reader: ulna.Reader, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "image.png", seed=ord(name) % 7)
    with pytest.raises(ConfigError, match="2 studies.*predict_each"):
        reader.predict(tmp_path)
    result = list(reader.predict_each(tmp_path, body_part="WRIST"))
    assert [type(a) for a in result] == [ulna.Answer] * 2
    assert [a.probability for a in result if isinstance(a, ulna.Answer)] == [
        reader.predict(s, body_part="WRIST").probability for s in index_paths([tmp_path])
    ]


def test_one_bad_study_does_not_end_the_others(reader: ulna.Reader, image: Path) -> None:
    broken = image.with_name("broken.png")
    broken.write_bytes(image.read_bytes()[:80])
    first, second, third, fourth = reader.predict_each([image, broken, "nowhere.png", image])
    assert isinstance(second, UlnaError) and "broken.png" in str(second)
    assert isinstance(third, UlnaError) and "nowhere.png" in str(third)
    assert (second.source, third.source) == (broken, "nowhere.png")
    assert isinstance(first, ulna.Answer) and isinstance(fourth, ulna.Answer)
    with pytest.raises(ConfigError, match="operating point"):
        reader.predict_each([image], operating_point="nonsense")


@pytest.mark.parametrize("bad", [None, 3, [], {}, [1, 2], "nowhere.png"])
def test_other_objects_are_refused_with_what_is_expected(reader: ulna.Reader, bad: object) -> None:
    with pytest.raises((ConfigError, ImageError), match="expected"):
        reader.predict(bad)


def test_an_empty_folder_has_no_image(reader: ulna.Reader, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images"):
        reader.predict(tmp_path)


def test_features_are_those_of_the_graphs(reader: ulna.Reader, tmp_path: Path) -> None:
    files = [save(tmp_path / f"{k}.png", seed=k) for k in range(3)]
    result = reader.features(files)
    predictor = Predictor.load(DEMONSTRATION_BUNDLE)
    names = [e.name for e in predictor.manifest.experts]
    for row, file in zip(result, files, strict=True):
        (image,) = predictor.outputs(Study("p", "s", None, (ImageRef(file),))).images
        wanted = np.concatenate([image.experts[n].features for n in names])
        np.testing.assert_array_equal(row, wanted)
    assert result.dtype == np.float32 and result.shape[0] == 3
    one = reader.features([np.asarray(Image.open(files[0]))], experts=names[:1])
    np.testing.assert_array_equal(one[0], result[0, : one.shape[1]])
    assert reader.features([]).shape == (0, 0)
    with pytest.raises(ConfigError, match="expected some of"):
        reader.features(files, experts=["nobody"])
    with pytest.raises(ImageError):
        reader.features([*files, "nowhere.png"])


def test_a_reader_and_its_answers_can_be_pickled(reader: ulna.Reader, image: Path) -> None:
    answer = reader.predict(image, body_part="WRIST")
    other = pickle.loads(pickle.dumps(reader))
    again = other.predict(image, body_part="WRIST")
    assert again.to_dict() == answer.to_dict()
    assert pickle.loads(pickle.dumps(answer)).to_json() == answer.to_json()


def test_recognise_looks_at_the_pixels(reader: ulna.Reader, image: Path) -> None:
    given = Study("p", "s", BodyPart.WRIST, (ImageRef(image),))
    assert reader.predict(given).body_part_given
    for source in (given, replace(read_radiograph(image), body_part=BodyPart.WRIST)):
        attended = reader.predict(source, recognise=True)
        assert not attended.body_part_given
        assert attended.body_part == max(
            attended.body_part_probabilities, key=lambda p: attended.body_part_probabilities[p]
        )


def test_a_body_part_with_recognise_is_refused(reader: ulna.Reader, image: Path) -> None:
    for ask in (reader.predict, lambda f, **how: list(reader.predict_each([f], **how))):
        with pytest.raises(ConfigError, match="expected one of them"):
            ask(image, body_part="WRIST", recognise=True)
        with pytest.raises(ConfigError, match="KNEE"):
            ask(image, body_part="KNEE")


def test_a_bundle_without_cascade_is_refused() -> None:
    manifest = ulna.load("demonstration").manifest
    if len(manifest.experts) > 1 and manifest.cascade is None:
        with pytest.raises(ConfigError, match="cascade"):
            ulna.load("demonstration", cascade=True)
    else:
        assert ulna.load("demonstration", cascade=True).predictor is not None


def test_demonstration_is_a_folder_of_that_name_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ulna.errors import BundleError

    monkeypatch.chdir(tmp_path)
    assert ulna.load("demonstration").predictor.bundle.path == DEMONSTRATION_BUNDLE
    (tmp_path / "demonstration").mkdir()
    with pytest.raises(BundleError):
        ulna.load("demonstration")
