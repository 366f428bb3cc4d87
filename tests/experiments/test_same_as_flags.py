"""Options of each command and arguments of its function: same names and defaults."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from ulna import experiments
from ulna.cli.main import VERBS, cli
from ulna.config.engine import EngineSettings

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "demo": ("run_demo",),
    "selfsupervise": ("self_supervise",),
    "train": ("train",),
    "crossval": ("cross_validate",),
    "ensemble": ("ensemble",),
    "distil": ("distil", "distil_folds"),
    "review": ("review_labels",),
    "calibrate": ("calibrate",),
    "adapt": ("adapt",),
    "quantise": ("quantise",),
    "evaluate": ("evaluate",),
    "stress": ("stress",),
    "examine": ("examine",),
    "audit": ("audit",),
    "score": ("score",),
    "verify": ("verify",),
    "explain": ("explain",),
    "predict": ("predict", "predict_table"),
}
# Options that only decide how the command prints.
PRINTING = {"as_json", "legacy_ci"}
# Arguments that only callers from Python need.
OWN = {"progress", "stop"}


def _options(verb: str) -> dict[str, click.Parameter]:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return {str(p.name): p for p in command.params if p.name not in PRINTING}


def _functions(verb: str) -> list[Callable[..., Any]]:
    return [getattr(experiments, name) for name in FUNCTIONS[verb]]


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_options_are_the_keyword_arguments(verb: str) -> None:
    known = {n for f in _functions(verb) for n in inspect.signature(f).parameters}
    assert known - OWN == set(_options(verb))


@pytest.mark.parametrize("verb", FUNCTIONS)
def test_defaults_are_the_same(verb: str) -> None:
    options = _options(verb)
    for function in _functions(verb):
        for name, argument in inspect.signature(function).parameters.items():
            if name in OWN or argument.default is inspect.Parameter.empty:
                continue
            option = options[name]
            given: Any = option.to_info_dict()["default"]
            given = () if given is None and (option.multiple or option.nargs == -1) else given
            assert argument.default == given, f"{function.__name__}({name})"


def test_the_document_names_every_function(repository: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (repository / "docs/python.md").read_text(), re.M)
    reported = {verb: tuple(re.findall(r"`([\w.]+)`", names)) for verb, names in rows}
    assert set(reported) == set(VERBS)
    assert {verb: reported[verb] for verb in FUNCTIONS} == dict(FUNCTIONS)
    assert {n for ns in FUNCTIONS.values() for n in ns} <= set(experiments.__all__)
    for name in experiments.__all__:
        assert inspect.getdoc(getattr(experiments, name)), name


def test_an_engine_is_its_text_or_its_settings() -> None:
    settings = EngineSettings.parse("onnxruntime:fp32:2")
    assert EngineSettings.of(settings) is settings
    assert EngineSettings.of("onnxruntime:fp32:2") == settings
