"""Progress without a terminal: few lines, with the first, the last and the time left."""

from __future__ import annotations

from ulna.cli.progress import PlainLines, progress


def _run(seconds_per_step: float, steps: int) -> list[str]:
    now = [0.0]
    lines: list[str] = []
    plain = PlainLines(clock=lambda: now[0], write=lines.append)
    for done in range(steps + 1):
        plain.report("decode", done, steps)
        now[0] += seconds_per_step
    return lines


def test_a_line_every_few_seconds_and_the_end() -> None:
    lines = _run(seconds_per_step=1.0, steps=12)
    assert lines == [
        "decode: 0/12",
        "decode: 5/12, 0:07 left",
        "decode: 10/12, 0:02 left",
        "decode: 12/12, took 0:12",
    ]


def test_many_quick_steps_print_two_lines() -> None:
    assert len(_run(seconds_per_step=0.001, steps=1000)) == 2


def test_two_tasks_do_not_share_their_time() -> None:
    now = [0.0]
    lines: list[str] = []
    plain = PlainLines(clock=lambda: now[0], write=lines.append)
    plain.report("a", 0, 2)
    now[0] = 100.0
    plain.report("b", 0, 2)
    now[0] = 110.0
    plain.report("b", 1, 2)
    assert lines[-1] == "b: 1/2, 0:10 left"


def test_outside_a_terminal_lines_go_to_stderr(capsys: object) -> None:
    with progress() as report:
        report("decode", 0, 1)
        report("decode", 1, 1)
    out, err = capsys.readouterr()  # type: ignore[attr-defined]
    assert out == ""
    assert err.startswith("decode: 0/1\n")
