"""Which engine answered, in which arithmetic, on how many threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ulna.config.engine import EngineSettings
from ulna.evaluation.scores import Json
from ulna.machine import arithmetic_threads
from ulna.runtime.session.choice import resolve

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle


def answered_by(bundle: ModelBundle, engine: EngineSettings) -> Json:
    """For a run's results: nothing in it is 'auto' or 'all'.

    engine: without its threads, which decide no number beyond what `ulna verify` allows.
    arithmetic: of the convolutions. threads: at most, for one graph.
    """
    resolved = resolve(engine)
    return {
        "engine": str(replace(resolved, threads=0)),
        "arithmetic": arithmetic(bundle, resolved),
        "threads": resolved.threads or arithmetic_threads(),
    }


def arithmetic(bundle: ModelBundle, engine: EngineSettings) -> str:
    """In words: of a quantised bundle the engine's precision is that of the other layers."""
    result = bundle.manifest.quantisation
    if result is None:
        return engine.precision
    int8, rest = sum(result.layers.values()), sum(result.left.values())
    return f"int8 in {int8} of {int8 + rest} convolutions, {engine.precision} elsewhere"
