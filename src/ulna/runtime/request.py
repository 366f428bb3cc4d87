"""Settings of a prediction, checked before anything is read or run."""

from __future__ import annotations

from typing import Literal, get_args

from ulna.bundle import Manifest
from ulna.errors import ConfigError
from ulna.types import BodyPart, Study

Routing = Literal["given", "recognise"]
# Whether heat maps are resampled to the image and outlined; 'findings': also each category's.
HeatMaps = bool | Literal["findings"]


def check_settings(manifest: Manifest, operating_point: str | None, routing: Routing) -> None:
    """Raise ConfigError for an unknown operating point or `Routing`."""
    known = manifest.fusion.thresholds
    if operating_point is not None and operating_point not in known:
        raise ConfigError(f"operating point {operating_point!r}: the bundle has {', '.join(known)}")
    if routing not in get_args(Routing):
        raise ConfigError(f"body_part {routing!r}: expected 'given' or 'recognise'")


def check_finding_maps(manifest: Manifest) -> None:
    """Raise ConfigError unless the bundle has a heat map for each finding category."""
    if not manifest.categories:
        raise ConfigError(
            "maps of findings: the bundle has no finding categories: request heat maps only"
        )
    if not manifest.finding_maps:
        raise ConfigError(
            "maps of findings: the bundle's graphs are of an earlier version and give none: "
            "export its run again, then calibrate it"
        )


def known_body_part(
    manifest: Manifest, study: Study, operating_point: str | None, routing: Routing
) -> BodyPart | None:
    """Return the body part from the data, None to predict it; ConfigError for unknown settings."""
    check_settings(manifest, operating_point, routing)
    if routing == "recognise" or study.body_part is None:
        return None
    if study.body_part not in manifest.body_parts:
        raise ConfigError(
            f"study {study.key}: body part {study.body_part}: the bundle knows "
            f"{', '.join(manifest.body_parts)}; use another bundle, or let it recognise the part"
        )
    return study.body_part
