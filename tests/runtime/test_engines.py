"""Both engines give the same result; a missing one is an error, without fallback."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from analytic_bundle import COARSE, FINE, FITTED, SIZE, Analytic, make_study, write_analytic

from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError
from ulna.runtime import Predictor
from ulna.runtime.session import MAX_BATCH, Session, choice
from ulna.runtime.session.choice import available_engines, resolve
from ulna.types import BodyPart

OPENVINO = EngineSettings("openvino", "fp32", threads=1)
needs_openvino = pytest.mark.skipif(
    not choice.openvino_installed(), reason="openvino is not installed (extra 'fast')"
)


@needs_openvino
@pytest.mark.parametrize("expert", [COARSE, FINE], ids=lambda e: e.name)
@pytest.mark.parametrize("batch", [1, MAX_BATCH + 3])
@pytest.mark.parametrize("from_file", [True, False])
def test_openvino_answers_as_the_formula(
    expert: Analytic, batch: int, from_file: bool, tmp_path: Path
) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(expert.graph())
    images = np.random.default_rng(1).normal(0, 1, (batch, 1, SIZE, SIZE)).astype(np.float32)
    session = Session(path if from_file else expert.graph(), OPENVINO)
    session.run(images[:1] + 1)  # what an earlier call found must not shine through
    result = session.run(images)
    assert len(result) == batch
    for image, output in zip(images, result, strict=True):
        for name, wanted in expert.answer(image).items():
            np.testing.assert_allclose(getattr(output, name), wanted, atol=1e-4)


@needs_openvino
def test_both_engines_give_one_answer(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle", fusion=FITTED)
    study = make_study(tmp_path, BodyPart.ELBOW)
    one, other = (
        Predictor.load(bundle.path, e).predict(study) for e in (EngineSettings(threads=1), OPENVINO)
    )
    assert one.probability == pytest.approx(other.probability, abs=1e-5)
    for a, b in zip(one.images, other.images, strict=True):
        assert a.logit == pytest.approx(b.logit, abs=1e-4)
        np.testing.assert_allclose(a.heat_map, b.heat_map, atol=1e-4)
        assert b.logit == pytest.approx(b.grid.mean() + b.bias, abs=1e-4)


@needs_openvino
def test_damaged_graph_is_named_by_openvino_too(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(COARSE.graph()[:200])
    with pytest.raises(BundleError, match=r"graph\.onnx: the inference engine cannot load"):
        Session(path, OPENVINO)


@needs_openvino
def test_bf16_is_bf16_or_refused() -> None:
    from ulna.runtime.session.openvino_graph import capabilities

    requested = EngineSettings("openvino", "bf16", threads=1)
    if "BF16" not in capabilities():
        with pytest.raises(ConfigError, match="this CPU has none"):
            Session(FINE.graph(), requested)
        assert resolve(EngineSettings("openvino")).precision == "fp32"
        return
    image = np.random.default_rng(2).normal(0, 1, (1, 1, SIZE, SIZE)).astype(np.float32)
    (low,), (full,) = (Session(FINE.graph(), e).run(image) for e in (requested, OPENVINO))
    gap = np.abs(low.cam - full.cam).max() / np.abs(full.cam).max()
    assert 1e-6 < gap < 0.05


def _cpu_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *result: str) -> None:
    """A machine whose CPU and OpenVINO say that they have these."""
    from ulna.runtime.session import openvino_graph

    flags = tmp_path / "cpuinfo"
    flags.write_text("flags: avx2 avx512_bf16" if "BF16" in result else "flags: avx2", "utf-8")
    monkeypatch.setattr(choice, "_CPU_FLAGS", flags)
    monkeypatch.setattr(openvino_graph, "capabilities", lambda: result)


@needs_openvino
@pytest.mark.parametrize(
    ("requested", "with_bf16", "without"),
    [
        ("auto", "openvino:bf16", "onnxruntime:fp32"),
        ("auto:3", "openvino:bf16:3", "onnxruntime:fp32:3"),
        ("auto:int8", "openvino:bf16", "onnxruntime:fp32"),
        ("auto:fp32", "onnxruntime:fp32", "onnxruntime:fp32"),
        ("auto:bf16", "openvino:bf16", None),
        ("openvino", "openvino:bf16", "openvino:fp32"),
        ("openvino:bf16", "openvino:bf16", None),
        ("openvino:fp32", "openvino:fp32", "openvino:fp32"),
        ("onnxruntime", "onnxruntime:fp32", "onnxruntime:fp32"),
    ],
)
def test_what_settings_become(
    requested: str,
    with_bf16: str,
    without: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = EngineSettings.parse(requested)
    _cpu_with(monkeypatch, tmp_path, "FP32", "BF16", "INT8")
    assert str(resolve(settings)) == with_bf16
    assert resolve(resolve(settings)) == resolve(settings)
    _cpu_with(monkeypatch, tmp_path, "FP32", "INT8")
    if without is None:
        with pytest.raises(ConfigError, match="this CPU has none .OpenVINO finds FP32, INT8."):
            resolve(settings)
    else:
        assert str(resolve(settings)) == without


def test_without_openvino_auto_is_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "openvino_installed", lambda: False)
    assert str(resolve(EngineSettings("auto"))) == "onnxruntime:fp32"
    assert [e.name for e in available_engines()] == ["onnxruntime"]
    for text in ("openvino", "auto:bf16"):
        with pytest.raises(ConfigError, match=r"pip install 'ulna\[fast\]'"):
            resolve(EngineSettings.parse(text))


def test_a_build_of_onnxruntime_for_gpus_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is onnxruntime-gpu: there is no package of the module's name."""

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(choice, "openvino_installed", lambda: False)
    monkeypatch.setattr(metadata, "version", absent)
    (result,) = available_engines()
    assert result.name == "onnxruntime" and result.version[0].isdecimal()


def test_everything_but_openvino_works_where_its_import_fails(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle", fusion=FITTED)
    make_study(tmp_path / "study")
    code = f"""
import sys
sys.modules["openvino"] = None
from ulna.cli.main import cli
image = {str(tmp_path / "study" / "view0.png")!r}
for engine in ("auto", "onnxruntime", "openvino"):
    try:
        cli(["predict", image, "--bundle", {str(bundle.path)!r}, "--engine", engine])
    except SystemExit as end:
        print(engine, "ends with", end.code)
try:
    cli(["info"])
except SystemExit as end:
    print("info ends with", end.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ends = [line for line in done.stdout.splitlines() if "ends with" in line]
    wanted = ["auto ends with 0", "onnxruntime ends with 0", "openvino ends with 2"]
    assert ends == [*wanted, "info ends with 0"], done.stderr
    assert "pip install 'ulna[fast]'" in done.stderr


def test_a_provider_that_is_not_there_is_said() -> None:
    absent = next(p for p in ("coreml", "tensorrt") if p not in available_engines()[0].offers)
    with pytest.raises(ConfigError, match=f"provider '{absent}': ONNX Runtime .* here has"):
        Session(COARSE.graph(), EngineSettings.parse(f"onnxruntime:{absent}"))


def test_a_provider_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with CUDA on a machine without: ONNX Runtime alone would go on with the CPU."""
    from ulna.runtime.session import onnxruntime_graph

    monkeypatch.setattr(onnxruntime_graph, "check_provider", lambda name: None)
    monkeypatch.setattr(choice, "resolve", lambda settings: settings)
    monkeypatch.setitem(onnxruntime_graph.PROVIDERS, "coreml", "CPUExecutionProviderOfNoMachine")
    with pytest.raises((ConfigError, BundleError), match="CPUExecutionProviderOfNoMachine|coreml"):
        onnxruntime_graph.OnnxRuntimeGraph(
            COARSE.graph(), EngineSettings.parse("onnxruntime:coreml"), "graph"
        )


@needs_openvino
def test_experts_without_weight_are_not_run_by_openvino_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor.load(write_analytic(tmp_path / "bundle", fusion=FITTED).path, OPENVINO)
    run = Session.run
    requested: list[Session] = []
    monkeypatch.setattr(Session, "run", lambda s, images: requested.append(s) or run(s, images))
    answer = predictor.predict(make_study(tmp_path, BodyPart.WRIST))
    assert len(requested) == 1 and set(answer.experts) == {"coarse"}
