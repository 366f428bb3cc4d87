"""Every engine, precision and provider runs where it can, with the answers of the reference.

Guards against: what `auto` picks on another machine had never run. OpenVINO's kernels are held to
fewer instructions than the CPU has, so that one machine runs what others would.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from benchmarks.engine_table import ALL, LOWER, NEVER, Combination, combinations

from benchmarks import engine_table
from ulna.config.engine import EngineSettings
from ulna.runtime.session import Session, choice
from ulna.runtime.session.onnxruntime_graph import providers

# Of a logit, by precision; what convolutions in int8 move it by is some tenths here.
WITHIN = {"fp32": 1e-4, "bf16": 0.1, "int8": 1.0}


def _within(one: Combination) -> float:
    return WITHIN["int8" if one.graphs == "int8" else one.setting.split(":")[1]]


def _missing(one: Combination) -> str:
    """Why it cannot run on this machine, or ''."""
    settings = EngineSettings.parse(one.setting)
    if settings.engine == "onnxruntime":
        return "" if settings.provider in providers() else f"no provider {settings.provider} here"
    if not choice.openvino_installed():
        return "openvino is not installed (extra 'fast')"
    from ulna.runtime.session.openvino_graph import capabilities

    lacks = settings.precision == "bf16" and "BF16" not in capabilities()
    return "this CPU has no bf16" if lacks else ""


def _need(*packages: str) -> None:
    if absent := [p for p in packages if find_spec(p) is None]:
        pytest.skip(f"{', '.join(absent)} not installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    "one", [c for c in combinations() if c.instructions == ALL], ids=lambda c: c.key
)
def test_it_answers_as_the_reference(one: Combination) -> None:
    _need("onnx", "numba")
    if missing := _missing(one):
        pytest.skip(missing)
    gap = engine_table.difference(one)
    spread = np.ptp(engine_table.logits("onnxruntime", "fp32"))
    print(f"{one.key}: {gap:.1e} of {spread:.1f}")
    assert gap <= _within(one) < spread / 3
    assert (gap > 0) == (one.setting != "onnxruntime:fp32:cpu" or one.graphs == "int8")


@pytest.mark.slow
@pytest.mark.parametrize("instructions", LOWER)
def test_it_answers_as_the_reference_on_lesser_processors(instructions: str) -> None:
    """bf16 without its unit, int8 without VNNI. A CPU with AVX2 alone is not asked for bf16."""
    _need("onnx", "numba", "openvino")
    result = engine_table.measured(instructions)
    for one in (c for c in combinations() if c.instructions == instructions):
        gap = result[one.key]
        print(f"{one.key}: {gap}")
        if isinstance(gap, float):
            assert gap <= _within(one)
        else:
            assert "bf16" in one.setting
            assert "openvino:fp32" in gap or "this CPU has none" in gap


@pytest.mark.parametrize("setting", ["onnxruntime:fp32", "openvino:fp32", "openvino:bf16"])
def test_the_number_of_threads_decides_no_number(setting: str) -> None:
    """Within what `ulna verify` allows, by far."""
    if missing := _missing(Combination(setting, "fp32")):
        pytest.skip(missing)
    images = np.random.default_rng(5).normal(0, 1, (2, 1, 224, 224)).astype(np.float32)
    one, two = (
        Session(engine_table.graph("fp32"), EngineSettings.parse(f"{setting}:{n}")).run(images)
        for n in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a.abnormal, b.abnormal, atol=2e-5)
        np.testing.assert_allclose(a.cam, b.cam, atol=2e-5 * np.abs(a.cam).max())


def test_precision_that_openvino_replaces_is_refused() -> None:
    """With fp16, a CPU without it would silently compute in bf16 or fp32."""
    _need("openvino")
    from ulna.errors import ConfigError
    from ulna.runtime.session.openvino_graph import _check_precision

    class Compiled:
        def get_property(self, name: str) -> object:
            assert name == "INFERENCE_PRECISION_HINT"
            return type("Type", (), {"get_type_name": lambda self: "f32"})()

    _check_precision(Compiled(), "fp32")
    with pytest.raises(ConfigError, match="'bf16': OpenVINO would compute in f32"):
        _check_precision(Compiled(), "bf16")


def test_the_table_has_every_combination() -> None:
    """docs/engines.md says of each when and on what it last ran, or that it never did."""
    reported = engine_table.last_rows(engine_table.DOCUMENT.read_text("utf-8"))
    keys = [one.key for one in combinations()]
    assert list(reported) == keys and {len(row) for row in reported.values()} == {4}
    ran = {key for key, row in reported.items() if row[0] != NEVER}
    assert {"onnxruntime:fp32:cpu | fp32 | all", "openvino:bf16 | fp32 | all"} <= ran
    # What cannot run on the next machine keeps what was said of it.
    again = engine_table.rows({keys[0]: 0.0, keys[1]: "no such provider"}, reported)
    assert "| 0.0e+00 |" in again[0]
    assert again[1:] == [f"| {' | '.join([key, *reported[key]])} |" for key in keys[1:]]
