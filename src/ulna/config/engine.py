"""Settings of the inference engine that runs a bundle's graphs, written as one line of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from ulna.config.bounds import check_fields
from ulna.errors import ConfigError

Engine = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["auto", "fp32", "bf16", "int8"]
Provider = Literal["cpu", "cuda", "tensorrt", "coreml"]
MOST_THREADS = 1024
"""Largest number of threads: an engine starts as many as are set, which can stall a system."""
_DIGITS = 18  # Digits of a number of threads that are read; more threads are refused anyway.


@dataclass(frozen=True)
class EngineSettings:
    """The engine of a `Predictor`; the default is ONNX Runtime in fp32, portable everywhere.

    Attributes:
        engine: 'onnxruntime', 'openvino', or 'auto': OpenVINO where it is clearly faster, else
            ONNX Runtime (docs/decisions/018-engines.md).
        precision: Precision of what is not quantised. 'auto' is bf16 where OpenVINO finds it in
            the CPU, else fp32; 'int8' requires a quantised bundle.
        provider: Execution provider of ONNX Runtime.
        threads: Number of threads, 0 to 1024; 0 for as many as the process may use.

    Raises ConfigError for settings that exclude each other.
    """

    engine: Engine = "onnxruntime"
    precision: Precision = "auto"
    provider: Provider = "cpu"
    threads: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.threads <= MOST_THREADS:
            raise ConfigError(
                f"{self.threads} threads: expected 1 to {MOST_THREADS}, or 0 for as many as "
                "this process may use"
            )
        if self.provider != "cpu" and self.engine != "onnxruntime":
            raise ConfigError(
                f"provider {self.provider!r} with the engine {self.engine!r}: it is one of ONNX "
                f"Runtime: write 'onnxruntime:{self.provider}'"
            )
        if self.precision == "bf16" and self.engine == "onnxruntime":
            raise ConfigError(
                "bf16 with ONNX Runtime: it runs a graph in the precision it was exported in: "
                "expected 'onnxruntime:fp32', or 'openvino:bf16'"
            )

    @classmethod
    def of(cls, engine: EngineSettings | str) -> EngineSettings:
        """Return `engine` itself, or the settings that its text stands for (see `parse`)."""
        return engine if isinstance(engine, EngineSettings) else cls.parse(engine)

    @classmethod
    def parse(cls, text: str) -> EngineSettings:
        """Read 'ENGINE[:PRECISION][:PROVIDER][:THREADS]', with the last three in any order.

        This is the inverse of `str`. Raises ConfigError for any other text.
        """
        engine, *rest = text.strip().lower().split(":")
        if engine not in get_args(Engine):
            raise ConfigError(f"engine {text!r}: {_expected()}")
        values: dict[str, str] = {}
        for part in rest:
            name = _name_of(part, text)
            if name in values:
                raise ConfigError(f"engine {text!r}: {name} is set twice: {_expected()}")
            values[name] = part
        return cls(
            cast(Engine, engine),
            cast(Precision, values.get("precision", "auto")),
            cast(Provider, values.get("provider", "cpu")),
            int(values.get("threads", "0")[:_DIGITS]),
        )

    def __str__(self) -> str:
        """Return the shortest text from which `parse` makes these settings."""
        parts: list[str] = [self.engine]
        parts += [] if self.precision == "auto" else [self.precision]
        parts += [] if self.provider == "cpu" else [self.provider]
        parts += [str(self.threads)] if self.threads else []
        return ":".join(parts)


def _name_of(part: str, text: str) -> str:
    """Return the name of the setting that a part of the text belongs to."""
    if part in get_args(Precision):
        return "precision"
    if part in get_args(Provider):
        return "provider"
    if part.isascii() and part.isdecimal():
        return "threads"
    raise ConfigError(f"engine {text!r}: {part!r} is unknown: {_expected()}")


def _expected() -> str:
    engines, precisions = "|".join(get_args(Engine)), "|".join(get_args(Precision))
    return (
        f"expected {engines}, then with colons any of {precisions}, {'|'.join(get_args(Provider))} "
        "and a number of threads, as in 'openvino:bf16:2' or 'onnxruntime:cuda'"
    )


PORTABLE = EngineSettings()
"""For numbers that are compared: equal on all machines within what `ulna verify` allows."""
