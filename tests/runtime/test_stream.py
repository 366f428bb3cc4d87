"""A stream of studies gives the same predictions as one study at a time, in any order."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import BOTH, FITTED, PARTS, cascade, write_analytic, write_images
from hypothesis import given, settings
from hypothesis import strategies as st

from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError, ImageError, UlnaError
from ulna.runtime import Predictor, reading
from ulna.runtime import stream as module
from ulna.runtime.outputs import ImageOutputs, StudyOutputs
from ulna.runtime.screen import PreparedImage
from ulna.runtime.stream import BATCH, Steps, batches, stream
from ulna.types import BodyPart, ImageRef, Radiograph, Study, StudyPrediction

ELBOW, WRIST = PARTS


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("stream") / "bundle"
    write_analytic(out, fusion=FITTED)
    return Predictor.load(out, EngineSettings(threads=1))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """Of one to 2 BATCH + 3 views, of every way to be routed, with all that can go wrong."""
    folder = tmp_path_factory.mktemp("images")
    shapes = [(90, 70), (60, 100), (80, 80), (70, 75), (64, 99)]
    images = write_images(folder, shapes * 6)
    (folder / "text.png").write_text("no image")
    bad, gone = ImageRef(folder / "text.png"), ImageRef(folder / "nowhere.png")
    return [
        Study("a", "one", ELBOW, images[:1]),
        Study("a", "two", WRIST, images[1:3]),
        Study("b", "unrouted", None, images[3:6]),
        Study("b", "partly", ELBOW, (images[6], bad, images[7])),
        Study("c", "nothing", WRIST, (bad, gone)),
        Study("c", "unknown", BodyPart.HAND, images[8:9]),
        Study("d", "many", None, (*images[: 2 * BATCH + 2], bad)),
        *(Study("e", str(k), (ELBOW, WRIST, None)[k % 3], images[k : k + 1]) for k in range(20)),
    ]


def alone(predictor: Predictor, study: Study, how: str) -> StudyPrediction | UlnaError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return predictor.predict(study, body_part=how)  # type: ignore[arg-type]
        except UlnaError as error:
            return error


def check_same(result: StudyPrediction, wanted: StudyPrediction) -> None:
    assert result.probability == pytest.approx(wanted.probability, abs=1e-6)
    for name in (
        *("body_part", "body_part_given", "threshold", "abnormal", "refused", "flags"),
        *("skipped", "bundle_hash"),
    ):
        assert getattr(result, name) == getattr(wanted, name), name
    assert dict(result.experts) == pytest.approx(dict(wanted.experts), abs=1e-6)
    for a, b in zip(result.images, wanted.images, strict=True):
        assert (a.source, a.inverted, a.refusal) == (b.source, b.inverted, b.refusal)
        assert (a.probability, a.logit) == pytest.approx((b.probability, b.logit), abs=1e-6)
        np.testing.assert_allclose(a.grid, b.grid, atol=1e-6)


@pytest.mark.parametrize("how", ["given", "recognise"])
@pytest.mark.parametrize("workers", [1, 3])
def test_answers_are_those_of_one_study_at_a_time(
    predictor: Predictor, studies: list[Study], how: str, workers: int
) -> None:
    wanted = {s.key: alone(predictor, s, how) for s in studies}
    assert {type(a) for a in wanted.values()} >= {StudyPrediction, ImageError}
    for order in (studies, studies[::-1]):
        result = list(chain(*predictor.stream(order, body_part=how, workers=workers)))  # type: ignore[arg-type]
        assert [s for s, _ in result] == order
        for study, answer in result:
            same = wanted[study.key]
            if isinstance(same, StudyPrediction):
                assert isinstance(answer, StudyPrediction)
                check_same(answer, same)
            else:
                assert (type(answer), str(answer)) == (type(same), str(same))


def test_heat_maps_only_where_asked_for(predictor: Predictor, studies: list[Study]) -> None:
    ((_, plain),) = chain(*predictor.stream(studies[:1]))
    ((_, whole),) = chain(*predictor.stream(studies[:1], heat_maps=True))
    wanted = alone(predictor, studies[0], "given")
    assert isinstance(plain, StudyPrediction) and isinstance(whole, StudyPrediction)
    assert isinstance(wanted, StudyPrediction)
    assert plain.images[0].heat_map is plain.images[0].grid and not plain.images[0].findings
    assert whole.images[0].findings == wanted.images[0].findings != ()
    np.testing.assert_allclose(
        whole.images[0].heat_map, wanted.images[0].heat_map, rtol=0, atol=1e-6
    )


def test_settings_that_fit_no_study_are_refused_before_any(predictor: Predictor) -> None:
    with pytest.raises(ConfigError, match="operating point"):
        predictor.stream([], "no such point")
    with pytest.raises(ConfigError, match="-1 workers"):
        predictor.stream([], workers=-1)
    assert list(predictor.stream([])) == []


sizes = st.lists(st.integers(1, 3 * BATCH + 1), max_size=30)


def _sized(counts: Sequence[int]) -> list[Study]:
    return [
        Study("p", str(k), None, tuple(ImageRef(Path(f"{k}-{i}")) for i in range(n)))
        for k, n in enumerate(counts)
    ]


@given(sizes)
@settings(deadline=None)
def test_batches_hold_every_image_once_and_in_order(counts: list[int]) -> None:
    studies = _sized(counts)
    cut = list(batches(studies))
    assert [r for b in cut for p in b for r in p.refs] == [r for s in studies for r in s.images]
    assert all(1 <= sum(len(p.refs) for p in b) <= BATCH for b in cut)
    for batch in cut:
        for piece in batch:
            assert piece.refs == piece.study.images or len(piece.study.images) > BATCH
    assert [p.study for b in cut for p in b if p.last] == studies


@given(sizes)
@settings(deadline=None)
def test_a_list_cut_at_the_end_of_a_batch_has_the_same_batches(counts: list[int]) -> None:
    studies = _sized(counts)
    cut = list(batches(studies))
    done = 0
    for k, batch in enumerate(cut):
        done += sum(p.last for p in batch)
        if batch[-1].last:
            assert list(batches(studies[done:])) == cut[k + 1 :]


def test_the_list_is_not_read_far_ahead(predictor: Predictor, studies: list[Study]) -> None:
    taken = 0

    def endless() -> Iterator[Study]:
        nonlocal taken
        while True:
            taken += 1
            yield studies[0]

    source = predictor.stream(endless(), workers=2)
    for k in range(1, 20):
        next(source)
        assert taken <= (k + 5) * BATCH
    source.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ulna-")]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ZeroDivisionError("one in a million"), "one in a million (a defect of Ulna"),
        (MemoryError(), "view1.png: out of memory: ask for less"),
    ],
)
def test_what_no_reader_expects_ends_one_image_only(
    predictor: Predictor,
    studies: list[Study],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    read = reading.read_radiograph

    def fails(path: Path) -> Radiograph:
        if path.name == "view1.png":
            raise error
        return read(path)

    monkeypatch.setattr(reading, "read_radiograph", fails)
    (_, first), (_, second) = chain(*predictor.stream(studies[:2]))
    assert isinstance(first, StudyPrediction) and not first.skipped
    assert isinstance(second, StudyPrediction) and len(second.images) == 1
    assert message in second.skipped[0][1]
    alone_too = alone(predictor, studies[1], "given")
    assert isinstance(alone_too, StudyPrediction) and alone_too.skipped == second.skipped


def test_memory_that_one_study_takes_ends_its_study_only(
    predictor: Predictor, studies: list[Study]
) -> None:
    large = studies[1].images[0].path

    def run(names: Sequence[str], views: Sequence[PreparedImage]) -> Sequence[ImageOutputs]:
        if any(v.ref.path == large for v in views):
            raise MemoryError
        return predictor._run_views(names, views)

    def answer(outputs: StudyOutputs) -> StudyPrediction:
        if outputs.study == studies[2]:
            raise MemoryError
        return predictor.predict_outputs(outputs, heat_maps=False)

    spec = predictor.manifest.input_spec
    steps = Steps(spec, lambda study: [e.name for e in predictor.manifest.experts], run, answer)
    result = dict(chain(*stream(steps, studies[:4])))
    for study in studies[1:3]:
        assert isinstance(result[study], ImageError) and "out of memory" in str(result[study])
    assert isinstance(result[studies[0]], StudyPrediction)
    assert isinstance(result[studies[3]], StudyPrediction)


def test_an_image_that_vanishes_while_it_is_looked_at_again_ends_its_study_only(
    predictor: Predictor, studies: list[Study]
) -> None:
    lost = studies[1].images[0].path

    def run(names: Sequence[str], views: Sequence[PreparedImage]) -> Sequence[ImageOutputs]:
        if any(v.ref.path == lost for v in views):
            raise ImageError(f"{lost}: no such file")
        return predictor._run_views(names, views)

    steps = Steps(
        predictor.manifest.input_spec, lambda _: ["coarse", "fine"], run, predictor.predict_outputs
    )
    requested = [replace(s, body_part=None) for s in studies[:3]]
    answers = [answer for _, answer in chain(*stream(steps, requested))]
    assert [isinstance(a, StudyPrediction) for a in answers] == [True, False, True]
    assert str(answers[1]) == f"{lost}: no such file"


def test_a_cascade_answers_in_a_stream_as_one_at_a_time(
    predictor: Predictor, studies: list[Study]
) -> None:
    cascading = predictor.with_fusion(BOTH, cascade(0.5, 1.0)).with_cascade()
    skipped = 0
    for batch in cascading.stream(studies):
        for study, result in batch:
            wanted = alone(cascading, study, "given")
            if isinstance(result, UlnaError):
                assert str(result) == str(wanted)
                continue
            assert isinstance(wanted, StudyPrediction)
            check_same(result, wanted)
            assert result.skipped_experts == wanted.skipped_experts
            skipped += bool(result.skipped_experts)
    assert skipped


def test_readers_are_half_of_the_cores_that_the_process_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a container or under taskset the machine may have many more."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    for allowed, readers in ((1, 1), (2, 1), (6, 3), (40, 8)):
        cores = set(range(allowed))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, c=cores: c, raising=False)
        assert module.default_workers() == readers
