"""Call of `ulna` in this process, and the data and recipe that the tests train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner, Result

from ulna.cli.main import cli
from ulna.config.codec import write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.recipes import RECIPES


def ulna(*arguments: object, code: int = 0) -> Result:
    """Run `ulna ARGUMENTS`, which must end with the exit code and without a traceback."""
    done = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def phantoms_and_recipe(work: Path) -> None:
    """Write 60 phantoms and tiny.json, a recipe with one tiny expert and one epoch."""
    recipe = replace(
        RECIPES["demo"](),
        name="tiny",
        experts=(ExpertConfig(name="cnn", encoder="cnn", epochs=1, batch_size=8),),
        input_spec=InputSpec(size=96),
        minutes=0.0,
        precision="auto",  # what the machine computes fastest, which tests can force
    )
    write_json(recipe, work / "tiny.json")
    ulna("phantom", work / "phantoms", "--studies", 60, "--seed", 4, "--size", 96)
