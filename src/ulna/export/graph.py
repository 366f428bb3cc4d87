"""One expert as an ONNX graph: one file, any batch size, the map as an output."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ulna.config.input_spec import InputSpec
from ulna.errors import BundleError
from ulna.models import Expert
from ulna.models.test_time_augmentation import TestTimeAugmentation

_OPSET = 18


class _Graph(nn.Module):
    """The expert with its outputs as a plain tuple, without those of missing heads."""

    def __init__(self, expert: Expert | TestTimeAugmentation, findings: bool) -> None:
        super().__init__()
        self.expert, self.findings = expert, findings

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        out = self.expert(image)
        finding = (out.finding_BF,) if self.findings else ()
        maps = (out.finding_cam_BFhw,) if self.findings else ()
        return (out.abnormal_BP, out.body_part_BP, *finding, out.cam_BPhw, out.features_BC, *maps)


def expert_graph(expert: Expert | TestTimeAugmentation, spec: InputSpec) -> bytes:
    """Return the ONNX graph of `expert` in evaluation mode, single precision, on the CPU.

    Input "image" (B, 1, S, S); outputs "abnormal" (B, P), "body_part" (B, P), "finding" (B, F)
    where F > 0, "cam" (B, P, h, w), "features" (B, C), "finding_cam" (B, F, h, w) where F > 0.
    Raises BundleError where the exporter fails.
    """
    bare = expert.expert if isinstance(expert, TestTimeAugmentation) else expert
    finding = ["finding"] if bare.finding is not None else []
    maps = [f"{name}_cam" for name in finding]
    graph = _Graph(expert, bool(finding)).eval()
    # A batch of 2: the exporter takes a length of 1 for a constant.
    example = torch.zeros(2, 1, spec.size, spec.size)
    try:
        with _silence():
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["image"],
                output_names=["abnormal", "body_part", *finding, "cam", "features", *maps],
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                opset_version=_OPSET,
            )
            if program is None:
                raise BundleError("the ONNX exporter returned nothing")
            model = program.model_proto
    except Exception as error:  # the exporter raises some twenty unrelated types
        raise BundleError(
            f"encoder {bare.encoder.name!r} cannot be exported to ONNX "
            f"({type(error).__name__}): {str(error).strip()[:500]}; choose another encoder"
        ) from error
    _strip(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _strip(model: Any) -> None:
    """Remove the exporter's metadata: paths of this machine and names of torch's internals."""
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for part in (model, graph, *graph.node, *values):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress the exporter's messages for its developers: output, log and warnings."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
