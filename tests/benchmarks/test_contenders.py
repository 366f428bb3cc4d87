"""Every contender says the same of the same images: otherwise their times mean nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from benchmarks.speed.contenders import ANSWER, PEER, build_contender, floor, known_contenders
from benchmarks.speed.contenders.contender import Answer, Contender, Setting
from benchmarks.speed.contenders.engines import automatic_engine, load_graph, precisions_here
from benchmarks.speed.inputs import prepared_images
from benchmarks.speed.parity import differences, failures
from benchmarks.speed.process import Process, WorkerFailed

KEYS = known_contenders(precisions_here(), automatic_engine())[0]
# Keras has weights of its own; what reads images gives no answer to prepared arrays.
COMPARED = [k for k in KEYS if not k.startswith((PEER, "keras", "floor", "ulna files"))]


def _run(contender: Contender, batch: int, size: int) -> dict[str, Answer]:
    contender.take(prepared_images(batch, size))
    for step in contender.steps:
        contender.run(step)
    return dict(contender.answers())


@pytest.mark.parametrize("key", COMPARED)
def test_logits_and_maps_are_the_peers(setting: Setting, key: str) -> None:
    peer, contender = build_contender(PEER, setting), build_contender(key, setting)
    for batch in (1, 2):
        wanted = _run(peer, batch, setting.size)["resnet10t"]
        answer = _run(contender, batch, setting.size)["resnet10t"]
        tolerance = 0.1 if key.endswith("bf16") else 1e-3
        assert np.abs(answer.logits - wanted.logits).max() <= tolerance
        if key == ANSWER:
            assert answer.maps is None
        else:
            assert answer.maps is not None and wanted.maps is not None
            assert np.abs(answer.maps - wanted.maps).max() <= tolerance * np.abs(wanted.maps).max()
    assert np.ptp(wanted.logits) > 0.05  # not agreement of two silences


def test_a_wrong_map_is_noticed(setting: Setting) -> None:
    message = {}
    for key in (PEER, "onnxruntime plain"):
        answer = _run(build_contender(key, setting), 2, setting.size)["resnet10t"]
        message[key] = {"logits": answer.logits, "maps": np.asarray(answer.maps)}
    assert failures(differences(message, PEER)) == []
    message["onnxruntime plain"]["maps"] = message["onnxruntime plain"]["maps"][:, ::-1]
    (line,) = failures(differences(message, PEER))
    assert "onnxruntime plain: maps" in line
    message["onnxruntime plain"]["maps"] = np.full_like(message[PEER]["maps"], np.nan)
    assert failures(differences(message, PEER))
    message["onnxruntime plain"]["maps"] = message[PEER]["maps"][:1]
    assert failures(differences(message, PEER))


@pytest.mark.parametrize("engine", precisions_here())
def test_graph_without_map_gives_the_same_logits(setting: Setting, engine: str) -> None:
    images = prepared_images(2, setting.size)
    full, without = (
        load_graph(setting.weights / part / "resnet10t.onnx", engine, "fp32", 1)
        for part in ("bundle", "answer")
    )
    assert sorted(without.outputs) == ["abnormal", "body_part"]
    assert np.abs(full.run(images)["abnormal"] - without.run(images)["abnormal"]).max() <= 1e-4
    graph = onnx.load(setting.weights / "answer" / "resnet10t.onnx").graph
    assert "cam" not in {name for node in graph.node for name in node.output}


def test_images_are_read_and_answered(setting: Setting) -> None:
    (key,) = [k for k in KEYS if k.startswith("ulna files")]
    contender = build_contender(key, setting)
    assert _run(contender, 2, setting.size) == {}
    with pytest.raises(ValueError, match="2 images: expected at least 3"):
        contender.take(prepared_images(3, setting.size))


def test_floor_does_the_work_it_counts(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "SIDE", 96)
    contender = floor.build(setting, "fp32")
    assert contender.flops == 2 * 96**3 * floor.REPEATS
    assert "GFLOP/s" in contender.note
    contender.run("matmul")


def test_every_library_multiplies_the_same_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "SIDE", 96)
    products = floor.products("fp32", threads=1)
    wanted = np.asarray(products["NumPy"]())
    assert len(products) >= 2
    for product in products.values():
        assert np.abs(np.asarray(product()) - wanted).max() <= 1e-3


def test_worker_answers_from_its_own_process(setting: Setting, tmp_path: Path) -> None:
    with Process("onnxruntime plain", setting, tmp_path / "log") as process:
        assert process.greeting()["note"]
        out = tmp_path / "said.npz"
        answer = process.order("check", 2, out)
        assert set(answer["seconds"]) == {"resnet10t"}
        assert 2**24 < answer["peak_bytes"] < 2**31
        with np.load(out) as message:
            assert message["resnet10t logits"].shape == (2, 3)
            assert message["resnet10t maps"].shape[0] == 2


def test_worker_that_cannot_start_says_why(setting: Setting, tmp_path: Path) -> None:
    nowhere = replace(setting, weights=tmp_path / "nowhere")
    with (
        Process("onnxruntime plain", nowhere, tmp_path / "log") as process,
        pytest.raises(WorkerFailed, match=r"exit status 1.*nowhere"),
    ):
        process.greeting()
