"""Nothing leaves the machine: every verb under a guard of sockets and without a network.

Guards against: `import openvino` and ONNX Runtime from 1.29 on, which report to their makers'
analytics services and leave identifiers below the home folder.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click
import onnx
import pytest
from tests.cli.guarded import Sandbox, namespace

from ulna.bundle import read_bundle, write_bundle
from ulna.cli.main import cli
from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.recipes import RECIPES

# Every verb at the least size, in an order in which each finds what it needs. {w}: a folder.
# With an exclamation mark: where nothing can be written below the home folder.
WALK = """
phantom {w}/images --studies 100 --seed 4 --size 96
! train {w}/images --recipe {w}/tiny.json --out {w}/run
export {w}/run --out {w}/run/bundle
calibrate {w}/run/bundle --run {w}/run --data {w}/images
adapt {w}/run/bundle {w}/images --out {w}/adapted --heads
distil {w}/run/bundle {w}/images --recipe {w}/student.json --out {w}/student
quantise {w}/run/bundle --data {w}/images --out {w}/int8 --images 8
! evaluate {w}/images --bundle {w}/run/bundle --out {w}/evaluation
verify {w}/evaluation --data {w}/images --bundle {w}/run/bundle --studies 1
stress {w}/images --bundle {w}/run/bundle --out {w}/stress --studies 2
examine {w}/images --bundle {w}/run/bundle --out {w}/examination --studies 2
! explain {w}/images --run {w}/run --out {w}/maps --studies 1
selfsupervise {w}/images --recipe {w}/tiny.json --out {w}/ssl --epochs 1
audit {w}/images --out {w}/audit --epochs 2 --images 4 --size 32
crossval {w}/images --recipe {w}/tiny.json --out {w}/one --folds 2
ensemble {w}/one {w}/two --out {w}/both
review {w}/images --from {w}/one --out {w}/review
score --labels {w}/labels.csv --predictions {w}/answers.csv
predict {image} --engine auto
! predict {image} --engine openvino:fp32 --out {w}/one_film
! predict {w}/images --bundle {w}/run/bundle --engine onnxruntime --table {w}/table.parquet
info {w}/run/bundle
! info
demo --data {w}/images --recipe {w}/tiny.json --out {w}/demo
"""
# Refused for what it answered, as any tiny model may be: the verb has run all the same.
FINE = {"quantise": (0, 5), "distil": (0, 5)}
# Matplotlib's list of fonts, which docs/limits.md names, is all that is written below the home.
ALLOWED = ("home/.cache/matplotlib/", "home/.config/matplotlib/")


def _lines(walk: str) -> Iterator[tuple[bool, list[str]]]:
    """Whether the line has an exclamation mark, and its words."""
    for line in filter(None, walk.splitlines()):
        yield line.startswith("! "), line.removeprefix("! ").split()


def _verbs(group: click.Group) -> Iterator[str]:
    """Of click's tree, subgroups' included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield from _verbs(command) if isinstance(command, click.Group) else [name]


def test_the_walk_covers_every_verb() -> None:
    """A new verb must be walked, too."""
    assert {line[0] for _, line in _lines(WALK)} == set(_verbs(cli))


def _twin(folder: Path, other: Path) -> None:
    """A second cross-validation of the same folds, its graphs of other bytes: sooner than one."""
    shutil.copytree(folder, other)
    for k in range(2):
        bundle = read_bundle(folder / f"fold{k}" / "bundle")
        model = onnx.load(bundle.graph_path(bundle.manifest.experts[0]))
        model.doc_string = "another"
        write_bundle(bundle.manifest, {"cnn": model.SerializeToString()}, other / f"fold{k}/bundle")


def _prepare(folder: Path) -> None:
    recipe = replace(
        RECIPES["demo"](),
        name="tiny",
        experts=(ExpertConfig(name="cnn", encoder="cnn", epochs=1, batch_size=16),),
        input_spec=InputSpec(size=64),
        fractions={"train": 0.4, "tune": 0.2, "calibration": 0.4},
        precision="32-true",
        minutes=0.0,
    )
    write_json(recipe, folder / "tiny.json")
    taught = replace(
        RECIPES["student"](),
        experts=(ExpertConfig(name="student", encoder="cnn", epochs=1, batch_size=16),),
        input_spec=InputSpec(size=64),
    )
    write_json(taught, folder / "student.json")
    studies = [f"valid/XR_WRIST/patient{i:05}/study1_positive/" for i in range(30)]
    for name in ("labels", "answers"):
        rows = [f"{study},{i % 2}\n" for i, study in enumerate(studies)]
        (folder / f"{name}.csv").write_text("".join(rows), "utf-8")


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_verb_tries_a_connection(tmp_path: Path) -> None:
    """Under the guard and, where the kernel allows, with no network but an empty one."""
    sandbox = Sandbox.make(tmp_path / "sandbox", namespace())
    _prepare(tmp_path)
    print("\nwith", "an empty network" if sandbox.namespace else "a guard in Python alone")
    for homeless, line in _lines(WALK):
        if any("openvino" in word for word in line) and not find_spec("openvino"):
            continue
        image = next((tmp_path / "images" / "valid").rglob("*.png"), "")
        words = [word.format(w=tmp_path, image=image) for word in line]
        home = os.devnull + "/home" if homeless else ""
        if line[0] == "ensemble":
            _twin(tmp_path / "one", tmp_path / "two")
        began = _processor_seconds()
        ended = sandbox.python("-m", "ulna", *words, home=home)
        where = "no home" if homeless else "       "
        print(f"{_processor_seconds() - began:5.1f} s  {where} {' '.join(line)}")
        assert not ended.requested, (line, ended.requested)
        assert ended.code in FINE.get(line[0], (0,)), (line, ended.output)
        assert "writable" not in ended.output, (line, ended.output)
    left = [file for file in sandbox.files() if not file.startswith(ALLOWED)]
    assert not left, "files that no verb was asked for"


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 9), timeout=1)",
        "socket.getaddrinfo('ulna.example', 443)",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))",
        "urllib.request.urlopen('http://192.0.2.1/', timeout=1)",
    ],
)
@pytest.mark.parametrize("guard", [True, False])
def test_the_guard_sees_an_attempt(attempt: str, guard: bool, tmp_path: Path) -> None:
    """Without the guard in Python it is the namespace that sees it, as it would native code."""
    apart = () if guard else namespace()
    if not guard and not apart:
        pytest.skip("this system does not let us make a network namespace")
    sandbox = Sandbox.make(tmp_path, apart, guard)
    ended = sandbox.python("-c", f"import socket, urllib.request; {attempt}")
    assert ended.code and ended.requested
