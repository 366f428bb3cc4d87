"""The engine, arithmetic and number of threads with which a bundle was run."""

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
    """Return engine, arithmetic and threads for a run's results, with 'auto' and 'all' resolved.

    engine is without its threads, which change no number by more than `ulna verify` allows.
    arithmetic is that of the convolutions. threads is the maximum for one graph.
    """
    resolved = resolve(engine)
    return {
        "engine": str(replace(resolved, threads=0)),
        "arithmetic": arithmetic(bundle, resolved),
        "threads": resolved.threads or arithmetic_threads(),
    }


def arithmetic(bundle: ModelBundle, engine: EngineSettings) -> str:
    """Describe the precision; in a quantised bundle the engine's is that of the other layers."""
    quantisation = bundle.manifest.quantisation
    if quantisation is None:
        return engine.precision
    int8, rest = sum(quantisation.layers.values()), sum(quantisation.left.values())
    return f"int8 in {int8} of {int8 + rest} convolutions, {engine.precision} elsewhere"
