"""`ulna`: the group of commands. The module of a command is imported when the command is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

import click

from ulna import __version__
from ulna.cli.failure import exit_code_of, report_failure
from ulna.cli.notes import notes_on_stderr
from ulna.experiments.receipts import named_command
from ulna.machine import limit_library_threads

VERBS: Mapping[str, str] = {
    "demo": "Run every step: phantoms (or your data), training, evaluation, report.",
    "phantom": "Write simulated radiographs with known findings.",
    "selfsupervise": "Train an encoder on radiographs without labels.",
    "train": "Train the experts of a recipe.",
    "crossval": "Cross-validate a recipe by patient.",
    "ensemble": "Combine the experts of several cross-validations.",
    "distil": "Distil a bundle's answers and heat maps into one small network.",
    "review": "List the studies whose label is most likely wrong.",
    "export": "Export a run as a bundle that predicts without torch.",
    "calibrate": "Fit fusion, temperatures and thresholds on held-out studies.",
    "adapt": "Adapt a bundle to a new hospital with some 20 labelled images.",
    "quantise": "Quantise a bundle to int8, if its answers stay the same.",
    "evaluate": "Score a bundle on labelled studies and write a report.",
    "stress": "Measure robustness: corruptions, a view left out, subgroups.",
    "examine": "Examine a bundle's heat maps and record the verdict in the bundle.",
    "audit": "Measure how much each flaw of the prototype's protocol inflates accuracy.",
    "score": "Score predictions as the MURA competition did.",
    "verify": "Recompute reported numbers from their receipt and compare them.",
    "explain": "Compare heat-map methods where the place of the finding is known.",
    "predict": "Predict for image files, folders and DICOM objects.",
    "info": "Describe a bundle or a data set.",
}

_ARGUMENTS = "ulna.arguments"
"""The key of a context's meta under which the arguments of `ulna` are kept."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and turns errors into messages."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for the receipt of what the command writes, then parse them."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command from the module of the same name; None for an unknown name."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"ulna.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an exception becomes a message on stderr and an exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            with notes_on_stderr(debug), named_command(("ulna", *ctx.meta[_ARGUMENTS])):
                return super().invoke(ctx)
        except click.ClickException:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = exit_code_of(error)
            if code is None:  # click's own exceptions, or a closed output pipe
                raise
            report_failure(error, debug)
            raise click.exceptions.Exit(code) from None


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Research only: not a medical device. Exit codes and more: docs/cli.md",
)
@click.version_option(__version__, prog_name="ulna")
@click.option("--debug", is_flag=True, help="On a defect, show the whole traceback.")
def cli(debug: bool) -> None:
    """Ulna: a hybrid of experts that reads radiographs of the upper extremity.

    For each study it predicts the body part, whether the study is abnormal, where, and with which
    confidence.

    \b
    A first look, in minutes, without any data:
      ulna demo
    Step by step:
      ulna phantom phantoms --studies 600 --seed 1
      ulna train phantoms --recipe demo --out runs/first
      ulna export runs/first --out runs/first/bundle
      ulna calibrate runs/first/bundle --run runs/first --data phantoms
      ulna evaluate phantoms --bundle runs/first/bundle --out runs/first/evaluation
      ulna predict image.png --bundle runs/first/bundle
    """


def main() -> None:
    """Run the command line; the entry point of the console script."""
    limit_library_threads()
    # File names may hold any character; a terminal with another encoding must not end the run.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    cli(prog_name="ulna")
