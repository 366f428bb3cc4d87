"""`ulna` called in this process, as the tests of the command line do."""

from __future__ import annotations

from click.testing import CliRunner, Result

from ulna.cli.main import cli


def ulna(*arguments: object, code: int = 0) -> Result:
    """The result of `ulna ARGUMENTS`, which must end with the exit code and no traceback."""
    done = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done
