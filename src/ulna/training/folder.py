"""The folder of a run: begun once, and only gone on with under the same settings and data."""

from __future__ import annotations

from pathlib import Path

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json, to_json, write_json
from ulna.config.recipe import Recipe
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError

# The file that says what a folder holds: a run of `ulna train` or of `ulna selfsupervise`.
RECIPE, SELF_SUPERVISION = "recipe.json", "selfsupervision.json"


def begin(settings: Recipe | SelfSupervision, data: DataFingerprint, out: Path) -> None:
    """Write settings and data of a new run into `out`, or check those of the run that is there.

    Raises ConfigError for a folder of other settings, other data or the other kind of run.
    """
    trained = isinstance(settings, Recipe)
    own, other = (RECIPE, SELF_SUPERVISION) if trained else (SELF_SUPERVISION, RECIPE)
    if (out / other).is_file():
        raise ConfigError(
            f"{out} holds a run of `ulna {'selfsupervise' if trained else 'train'}`: give another "
            "folder"
        )
    if (out / own).is_file():
        before = read_json(type(settings), out / own)
        if to_json(before) != to_json(settings):
            raise ConfigError(
                f"{out} holds a run of other settings: give another folder, or delete this one"
            )
        if read_json(DataFingerprint, out / "data.json").sha256 != data.sha256:
            raise ConfigError(f"{out} holds a run on other data: give another folder")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(data, out / "data.json")
    write_json(settings, out / own)
