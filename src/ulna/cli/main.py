"""`ulna`: the group of verbs. A verb's module is imported when it is asked for."""

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
    "demo": "Everything in one go: phantoms (or your data), training, report.",
    "phantom": "Write simulated radiographs with known findings.",
    "selfsupervise": "Teach an encoder on radiographs without labels.",
    "train": "Train the experts of a recipe.",
    "crossval": "Train and score a recipe on folds of the data, by patient.",
    "ensemble": "Let the experts of several cross-validations answer together.",
    "distil": "Teach a bundle's answers and maps to one small network.",
    "review": "List the labels to read again, the most suspicious first.",
    "export": "Turn a run into a bundle that predicts without torch.",
    "calibrate": "Fit fusion, temperatures and thresholds on held-out studies.",
    "adapt": "Adapt a bundle to a new hospital from some 20 labelled images.",
    "quantise": "Turn a bundle to int8, if its answers are the same.",
    "evaluate": "Score a bundle on labelled studies; write the report.",
    "stress": "Find where a bundle breaks: corruptions, a view left out, subgroups.",
    "examine": "Examine a bundle's heat maps; the verdict goes into the bundle.",
    "audit": "Run the prototype's protocol beside the right one: what made its number.",
    "score": "Score predictions as the MURA competition did.",
    "verify": "Compute reported numbers again from their receipt, and compare.",
    "explain": "Compare heat-map methods where the truth is known.",
    "predict": "Answer for files, folders and DICOM objects.",
    "info": "Say what a bundle or a data set is.",
}

GIVEN = "ulna.given"
"""Under this key of a context's meta: the arguments of `ulna`, as given."""


class Verbs(click.Group):
    """A group that loads a verb when it is called, and turns errors into messages."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as given, for the receipt of what the verb writes."""
        ctx.meta[GIVEN] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, from the module of the same name."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"ulna.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what it raises becomes a message on stderr and an exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            with notes_on_stderr(debug), named_command(("ulna", *ctx.meta[GIVEN])):
                return super().invoke(ctx)
        except click.ClickException:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = exit_code_of(error)
            if code is None:  # click's own way out, or a reader of our output that left
                raise
            report_failure(error, debug)
            raise click.exceptions.Exit(code) from None


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Research only: not a medical device. Exit codes and more: docs/cli.md",
)
@click.version_option(__version__, prog_name="ulna")
@click.option("--debug", is_flag=True, help="On a defect, show the whole traceback.")
def cli(debug: bool) -> None:
    """Ulna: a hybrid of experts that reads radiographs of the upper extremity.

    For each study it says which body part it is, whether it is abnormal, where, and how sure.

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
    """Entry point of the console script."""
    limit_library_threads()
    # Image names may hold any character; a terminal of another encoding must not end the run.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    cli(prog_name="ulna")
