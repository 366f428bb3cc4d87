"""A trained hybrid's answer with its map: whole, as a cascade and in int8, beside the peer.

    python benchmarks/trained.py runs/first/bundle phantoms --run runs/first/run
    python benchmarks/trained.py BUNDLE DATA --run RUN --int8 BUNDLE-INT8 --engine openvino:fp32

The held-out studies of DATA, one at a time, from prepared views to the fused answer and the map on
the image. The peer is RUN's own networks in eager PyTorch with the package grad-cam, one map per
expert and view, without fusion. All take turns, A B C A B C; ratios are of the mean milliseconds
per study, by the clock and by the processor time of all threads. How many studies leave the cascade
early, and how many then lie on the other side of the threshold, is of these studies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from speed.machine import describe_machine

from ulna.cli.output import print_table
from ulna.config.engine import EngineSettings
from ulna.datasets import index_data
from ulna.imaging import read_radiograph
from ulna.runtime import Predictor, StudyOutputs
from ulna.runtime.screen import PreparedImage
from ulna.types import Study, StudyPrediction

Asked = tuple[Study, list[PreparedImage]]
Contender = Callable[[Asked], StudyPrediction | None]


def held_out(bundle: Predictor, data: Path, n: int) -> list[Asked]:
    """At most n held-out studies of the bundle's body parts, drawn with seed 0, prepared."""
    known = [s for s in index_data(data) if s.body_part in bundle.manifest.body_parts]
    held = [s for s in known if s.split in ("valid", "test")] or known
    picked = np.random.default_rng(0).permutation(len(held))[:n]
    return [(held[i], prepared(held[i], bundle)) for i in picked]


def prepared(study: Study, predictor: Predictor) -> list[PreparedImage]:
    spec = predictor.manifest.input_spec
    images = [(ref, read_radiograph(ref.path)) for ref in study.images]
    return [PreparedImage.of(ref, image, spec, partial(replace, image)) for ref, image in images]


def ulna(predictor: Predictor) -> Contender:
    """From prepared views to the answer, as `Predictor.predict` goes on after reading."""

    def answer(requested: Asked) -> StudyPrediction:
        study, views = requested
        images = predictor._answering(study.body_part, None, views)
        return predictor.predict_outputs(StudyOutputs(study, images))

    return answer


def peer(run: Path, threads: int) -> Contender:
    """Eager PyTorch and grad-cam; used as its documentation says, a method for each expert."""
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from ulna.attribution.methods.build import AbnormalLogits
    from ulna.config.codec import read_json
    from ulna.config.recipe import Recipe
    from ulna.models.trained import load_expert

    if threads:
        torch.set_num_threads(threads)
    recipe = read_json(Recipe, run / "recipe.json")
    experts = [load_expert(run, recipe, c) for c in recipe.experts]
    parts = list(recipe.body_parts)

    def answer(requested: Asked) -> None:
        study, views = requested
        batch = torch.from_numpy(np.stack([v.pixels for v in views]))
        targets = [ClassifierOutputTarget(parts.index(study.body_part))] * len(batch)
        for expert in experts:
            with GradCAM(AbnormalLogits(expert), [expert.neck]) as method:
                method(batch, targets)

    return answer


def contenders(given: argparse.Namespace) -> dict[str, Contender]:
    """By name, the whole fp32 hybrid first."""
    result: dict[str, Contender] = {}
    engine = EngineSettings.parse(given.engine)
    for name, bundle in (("", given.bundle), (" int8", given.int8)):
        if bundle is None:
            continue
        whole = Predictor.load(bundle, engine)
        result[f"whole{name}"] = ulna(whole)
        if whole.manifest.cascade is not None:
            result[f"cascade{name}"] = ulna(whole.with_cascade())
    if given.run is not None:
        result["peer"] = peer(given.run, engine.threads)
    return result


def measure(
    result: dict[str, Contender], studies: Sequence[Asked], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[StudyPrediction | None]]]:
    """Milliseconds per study, by the clock and of the processor; the last round's answers."""
    spent = {name: np.zeros(2) for name in result}
    message: dict[str, list[StudyPrediction | None]] = {}
    for answer in result.values():
        answer(studies[0])  # once uncounted: what is made at the first call
    for _ in range(rounds):
        for name, answer in result.items():
            clock, busy = time.perf_counter(), time.process_time()
            message[name] = [answer(s) for s in studies]
            spent[name] += (time.perf_counter() - clock, time.process_time() - busy)
    scale = 1e3 / rounds / len(studies)
    return {name: list(total * scale) for name, total in spent.items()}, message


def summary(
    spent: dict[str, list[float]], message: dict[str, list[StudyPrediction | None]]
) -> list[dict[str, object]]:
    """A row for each contender; sides and early leavers against the whole fp32 hybrid."""
    rows = []
    for name, (wall, busy) in spent.items():
        row: dict[str, object] = {"contender": name, "ms": wall, "processor_ms": busy}
        row["of_whole"] = wall / spent["whole"][0]
        row["processor_of_whole"] = busy / spent["whole"][1]
        if "peer" in spent:
            row["times_the_peer"] = spent["peer"][0] / wall
        pairs = [(a, b) for a, b in zip(message[name], message["whole"], strict=True) if a and b]
        if pairs:
            row["left_early"] = float(np.mean([bool(a.skipped_experts) for a, _ in pairs]))
            row["changed_side"] = sum(a.abnormal != b.abnormal for a, b in pairs)
        rows.append(row)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, help="for the peer: the run's folder")
    parser.add_argument("--int8", type=Path, help="the same bundle by `ulna quantise`")
    parser.add_argument("--engine", default="onnxruntime:fp32")
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="the rows, to this file")
    given = parser.parse_args()
    result = contenders(given)
    studies = held_out(Predictor.load(given.bundle), given.data, given.studies)
    rows = summary(*measure(result, studies, given.rounds))
    views = sum(len(v) for _, v in studies)
    print(f"{len(studies)} studies, {views} images, {given.rounds} rounds, {given.engine}")
    cells = [[f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    print_table("", list(rows[0]), [c + [""] * (len(rows[0]) - len(c)) for c in cells])
    if given.json is not None:
        kept = {"machine": describe_machine(), "engine": given.engine, "rows": rows}
        given.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
