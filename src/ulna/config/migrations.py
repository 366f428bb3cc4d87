"""Keys of settings and manifests that earlier versions wrote under other names.

Each migration has a name and belongs to one frozen dataclass; `ulna.config.codec` applies it to
the JSON object before it is read. A file with both the old and the new name of a key is an error,
since it is unclear which of the two is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ulna.errors import ConfigError


@dataclass(frozen=True)
class Migration:
    """Names that one version changed in the JSON of one dataclass.

    name: for messages and tests. keys: old name -> new name. values: new name -> old value ->
    new value, of strings.
    """

    name: str
    keys: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


MIGRATIONS: Mapping[str, tuple[Migration, ...]] = {
    "ExpertConfig": (
        Migration(
            "hard windows are hard negatives, the trunk is the encoder",
            {
                "hard_every": "hard_negatives_every",
                "trunk_on_whole": "train_encoder_on_whole",
            },
        ),
    ),
    "Distillation": (Migration("hard labels are named in full", {"hard": "hard_labels"}),),
    "PhantomConfig": (
        Migration(
            "film styles are framings",
            {"film": "framing"},
            {"framing": {"close": "collimated", "cassette": "plate"}},
        ),
    ),
    "Manifest": (
        Migration("the domain is out-of-distribution", {"domain": "out_of_distribution"}),
    ),
    "OutOfDistributionEntry": (
        Migration(
            "what is outside are outliers",
            {
                "look_again": "check_negative_from",
                "outside": "outlier_experts",
                "n_outside": "n_outliers",
                "outside_limit": "outlier_limit",
                "slack": "uncertainty_margin",
            },
        ),
    ),
    "StudentParity": (Migration("films are images", {"films": "images"}),),
}
"""By the name of the dataclass, in the order in which they are applied."""


def migrated(kind: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON object `data` of the dataclass named `kind` with the current names of keys.

    Args:
        kind: Name of the dataclass, like ``"ExpertConfig"``.
        data: Its JSON object as it was read.

    Returns:
        `data` itself where nothing has changed, else a new mapping.

    Raises:
        ConfigError: An old and the new name of one key stand side by side.

    Example::

        migrated("PhantomConfig", {"film": "close"})  # {"framing": "collimated"}
    """
    for migration in MIGRATIONS.get(kind, ()):
        both = [(o, n) for o, n in migration.keys.items() if o in data and n in data]
        if both:
            old, new = both[0]
            raise ConfigError(
                f"{kind}: keys {old!r} and {new!r}: the first is the old name of the second: "
                "expected one of them"
            )
        if not migration.keys.keys() & data.keys():
            continue
        renamed = {migration.keys.get(k, k): v for k, v in data.items()}
        for key, values in migration.values.items():
            if isinstance(renamed.get(key), str):
                renamed[key] = values.get(renamed[key], renamed[key])
        data = renamed
    return data
