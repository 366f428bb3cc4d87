"""Every engine, precision and provider on this machine, beside ONNX Runtime in fp32.

`python -m benchmarks.engine_table` runs what can run here and writes the rows of the table in
docs/engines.md again: those that ran get today's date and this class of machine, the others stay.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from benchmarks.speed.machine import describe_machine

from ulna.bundle import read_bundle
from ulna.bundle.shipped import DEMONSTRATION_BUNDLE
from ulna.config.engine import EngineSettings
from ulna.config.phantom import ALL_PHANTOM_PARTS, PhantomConfig
from ulna.errors import BundleError, ConfigError
from ulna.runtime.session import Session
from ulna.runtime.session.choice import available_engines
from ulna.types import Array, Radiograph

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "engines.md"
BEGIN, END = "<!-- every engine -->", "<!-- end of every engine -->"
FILMS = 4
PROVIDERS = ("cpu", "cuda", "tensorrt", "coreml")
# What OpenVINO's kernels are held to, so that one machine runs what others do: all that the CPU
# has; AVX-512 without units for int8 and bf16, which is then computed the long way; AVX2.
ALL, LOWER = "all", ("AVX512_CORE", "AVX2")
NEVER = "never run"
HEADING = (
    "| setting | graphs | instructions | last run | machine | engine | greatest difference |",
    "|---|---|---|---|---|---|---|",
)
_UNITS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx_vnni": "VNNI",
    "avx512_bf16": "BF16",
    "amx_bf16": "AMX",
    "amx_int8": "AMX",
}


@dataclass(frozen=True)
class Combination:
    """setting: of the engine. graphs: 'fp32', or 'int8' made by ONNX Runtime's quantiser."""

    setting: str
    graphs: str
    instructions: str = ALL

    @property
    def key(self) -> str:
        return f"{self.setting} | {self.graphs} | {self.instructions}"


def combinations() -> list[Combination]:
    """Every one there is, whether it can run here or not."""
    result = [Combination(f"onnxruntime:fp32:{p}", g) for g in ("fp32", "int8") for p in PROVIDERS]
    result += [
        Combination(f"openvino:{precision}", graphs, instructions)
        for graphs in ("fp32", "int8")
        for precision in ("fp32", "bf16")
        for instructions in (ALL, *LOWER)
    ]
    return result


@cache
def images() -> Array:
    """(FILMS, 1, S, S), as the demonstration's experts see simulated images."""
    from ulna.phantom.study import render_study
    from ulna.preprocess import prepare

    spec = read_bundle(DEMONSTRATION_BUNDLE).manifest.input_spec
    config = PhantomConfig(FILMS, seed=11, parts=ALL_PHANTOM_PARTS)
    views = [render_study(config, i).views[0].pixels for i in range(FILMS)]
    read = [Radiograph(v.astype(np.float32) / 255, f"image {k}") for k, v in enumerate(views)]
    return np.stack([prepare(r, spec)[0] for r in read])


@cache
def graph(kind: str) -> bytes:
    """The demonstration's expert, as it is or with all its convolutions in int8."""
    from ulna.runtime.session.quantiser import GraphQuantiser

    bundle = read_bundle(DEMONSTRATION_BUNDLE)
    path = bundle.graph_path(bundle.manifest.experts[0])
    if kind == "fp32":
        return path.read_bytes()
    quantiser = GraphQuantiser(path, images())
    return quantiser.quantised(quantiser.layers)


def logits(setting: str, kind: str) -> Array:
    """(FILMS, P) abnormal logits. Raises ConfigError for what is not to be had here."""
    outputs = Session(graph(kind), EngineSettings.parse(setting)).run(images())
    return np.stack([o.abnormal for o in outputs])


def difference(one: Combination) -> float:
    """Greatest |difference| of a logit to ONNX Runtime on the CPU with the fp32 graph."""
    return float(np.abs(logits(one.setting, one.graphs) - logits("onnxruntime", "fp32")).max())


def measured(instructions: str) -> dict[str, float | str]:
    """By key: the difference, or why it cannot run, in a process held to these instructions."""
    held = {} if instructions == ALL else {"ONEDNN_MAX_CPU_ISA": instructions}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine_table", instructions],
        env=os.environ | held,
        cwd=DOCUMENT.parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float | str] = json.loads(done.stdout)
    return result


def _measure_here(instructions: str) -> dict[str, float | str]:
    result: dict[str, float | str] = {}
    for one in combinations():
        if one.instructions != instructions:
            continue
        try:
            result[one.key] = difference(one)
        except (ConfigError, BundleError) as error:
            result[one.key] = str(error)
    return result


def machine_class() -> str:
    """Kind of processor and system, never their names."""
    facts = describe_machine()
    units = facts["units"]
    assert isinstance(units, list)
    names = list(dict.fromkeys(_UNITS[u] for u in units)) or ["no vector units"]
    return f"{facts['system']}, {facts['cores']} cores with {', '.join(names)}"


Row = tuple[str, ...]


def rows(result: Mapping[str, float | str], before: Mapping[str, Row]) -> list[str]:
    """The table's lines. before: by key, the last cells of the last time's."""
    versions = {e.name: e.version for e in available_engines()}
    today, machine = datetime.date.today().isoformat(), machine_class()
    lines = []
    for one in combinations():
        gap = result.get(one.key)
        if isinstance(gap, float):
            engine = one.setting.partition(":")[0]
            last: Row = (today, machine, f"{engine} {versions[engine]}", f"{gap:.1e}")
        else:
            last = before.get(one.key, (NEVER, "", "", ""))
        lines.append("| " + " | ".join([one.key, *last]) + " |")
    return lines


def last_rows(text: str) -> dict[str, Row]:
    """What the document says by key."""
    table = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()[len(HEADING) :]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table]
    return {" | ".join(c[:3]): tuple(c[3:]) for c in cells}


def main() -> None:
    """Measure, and write the table again."""
    result: dict[str, float | str] = {}
    for instructions in (ALL, *LOWER):
        result |= measured(instructions)
    for key, what in result.items():
        print(key, "|", what if isinstance(what, str) else f"{what:.1e}")
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = rows(result, last_rows(text))
    head, _, rest = text.partition(BEGIN)
    table = "\n".join([BEGIN, "", *HEADING, *lines, "", END])
    DOCUMENT.write_text(head + table + rest.partition(END)[2], encoding="utf-8")
    print(f"written: {DOCUMENT}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_measure_here(sys.argv[1])))
    else:
        main()
