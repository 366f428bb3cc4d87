"""`compare_methods`: how well does each heat-map method mark findings with a known place?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ulna.attribution.methods.build import DEFAULT_METHODS, build_method
from ulna.attribution.methods.known import KnownImage, read_known
from ulna.attribution.methods.method_score import MethodScore
from ulna.attribution.methods.write import Example, write_comparison
from ulna.config.codec import read_json
from ulna.config.recipe import Recipe
from ulna.errors import ConfigError
from ulna.metrics.bootstrap import Interval, bootstrap_interval
from ulna.metrics.localisation import (
    energy_inside,
    energy_inside_chance,
    map_iou,
    map_iou_chance,
    pointing_game,
    pointing_game_chance,
    pointing_tolerance,
)
from ulna.models import Expert
from ulna.models.threads import limit_torch_threads
from ulna.models.trained import load_expert
from ulna.types import Array, Study

Progress = Callable[[int, int], None]
_PICTURED = 6


def compare_methods(
    run: Path,
    studies: Sequence[Study],
    out: Path,
    methods: Sequence[str] = DEFAULT_METHODS,
    limit: int = 60,
    progress: Progress | None = None,
) -> list[MethodScore]:
    """Score heat-map methods on every expert of a run, on images whose finding's place is known.

    Writes explain.json, explain.csv and explain.png to the folder `out`. studies: at most `limit`
    are used, spread evenly over those that are abnormal, of the run's body parts and with masks or
    boxes. progress(done, total) counts images times experts. Raises DatasetError if there is no
    such study, ConfigError for an unknown method or a folder that is no run, WeightsError for
    missing weights.
    """
    limit_torch_threads()
    recipe = read_json(Recipe, run / "recipe.json")
    known = read_known(studies, recipe, limit)
    total = len(known) * len(recipe.experts)
    scores: list[MethodScore] = []
    examples: list[Example] = []
    for index, config in enumerate(recipe.experts):
        expert = load_expert(run, recipe, config)
        measured = _Measured(expert, methods)
        for done, image in enumerate(known, start=1):
            heats = measured.add(image)
            if done <= _PICTURED:
                examples.append(Example(config.name, image, heats))
            if progress is not None:
                progress(index * len(known) + done, total)
        scores.extend(measured.scores(config.name, [i.patient_id for i in known]))
    write_comparison(scores, examples, out)
    return scores


class _Measured:
    """Measures of each method on the images added so far."""

    def __init__(self, expert: Expert, methods: Sequence[str]) -> None:
        if not methods or len(set(methods)) != len(methods):
            raise ConfigError(f"heat-map methods {list(methods)}: expected distinct names")
        self._methods = {m: build_method(m, expert) for m in methods}
        self._rows: dict[str, list[dict[str, float]]] = {m: [] for m in methods}

    def add(self, image: KnownImage) -> dict[str, Array]:
        """Run every method on `image`. Return its maps (H, W) over the source, by method."""
        heats = {}
        for method, heat_map in self._methods.items():
            start = time.perf_counter()
            raw = heat_map(image.prepared, image.part)
            seconds = time.perf_counter() - start
            heat = image.placement.to_source(raw)
            self._rows[method].append(
                {**_measures(heat, image.mask), "milliseconds": 1000 * seconds}
            )
            heats[method] = heat
        return heats

    def scores(self, expert: str, patients: Sequence[str]) -> list[MethodScore]:
        """Return one row for each method."""
        return [_score(expert, m, rows, patients) for m, rows in self._rows.items()]


def _measures(heat: Array, mask: npt.NDArray[np.bool_]) -> dict[str, float]:
    tolerance = pointing_tolerance((mask.shape[0], mask.shape[1]))
    peak = float(heat.max())
    # A map without any positive cell marks nothing.
    half = peak / 2 if peak > 0 else peak
    return {
        "pointing_game": pointing_game(heat, mask, tolerance),
        "pointing_game_chance": pointing_game_chance(mask, tolerance),
        "energy_inside": energy_inside(heat, mask),
        "energy_inside_chance": energy_inside_chance(mask),
        "iou": map_iou(heat, mask, half),
        "iou_chance": map_iou_chance(heat, mask, half),
    }


def _score(
    expert: str, method: str, rows: Sequence[Mapping[str, float]], patients: Sequence[str]
) -> MethodScore:
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    mean = {name: float(v.mean()) for name, v in values.items()}
    pointing = _interval(patients, values["pointing_game"])
    energy = _interval(patients, values["energy_inside"])
    return MethodScore(
        expert=expert,
        method=method,
        n_images=len(rows),
        pointing_game=mean["pointing_game"],
        pointing_game_low=pointing.low,
        pointing_game_high=pointing.high,
        pointing_game_chance=mean["pointing_game_chance"],
        energy_inside=mean["energy_inside"],
        energy_inside_low=energy.low,
        energy_inside_high=energy.high,
        energy_inside_chance=mean["energy_inside_chance"],
        iou=mean["iou"],
        iou_chance=mean["iou_chance"],
        milliseconds=float(np.median(values["milliseconds"])),
    )


def _interval(patients: Sequence[str], values: npt.NDArray[np.float64]) -> Interval:
    return bootstrap_interval(patients, lambda w: (w @ values) / w.sum(axis=1))
