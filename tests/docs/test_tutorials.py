"""docs/tutorials: every command and every Python block, as a reader would paste it, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.calls import ulna

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALKS = ("radiograph", "hybrid", "table")


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block of a tutorial, in order."""
    return BLOCK.findall((TUTORIALS / f"{name}.md").read_text(encoding="utf-8"))


def commands(text: str) -> list[list[str]]:
    """The arguments of each line of a shell block; a line that ends in a backslash goes on."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def test_every_tutorial_is_walked_and_says_that_images_are_simulated() -> None:
    assert {p.stem for p in TUTORIALS.glob("*.md")} == {"index", *WALKS}
    for name in (*WALKS, "index"):
        text = " ".join((TUTORIALS / f"{name}.md").read_text(encoding="utf-8").split())
        assert "simulated" in text and "about patients" in text, name
    for name in WALKS:
        kinds = [kind for kind, _ in blocks(name)]
        assert set(kinds) == {"sh", "python"}, f"{name}: a block that no test runs"
        assert all(w[0] == "ulna" for k, t in blocks(name) if k == "sh" for w in commands(t))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ulna.errors.UlnaWarning")
@pytest.mark.parametrize("name", WALKS)
def test_every_block_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for kind, text in blocks(name):
        if kind == "python":
            exec(compile(text, f"docs/tutorials/{name}.md", "exec"), scope)
            continue
        for words in commands(text):
            ulna(*words[1:])
    _holds(name, scope)


def _holds(name: str, scope: dict[str, object]) -> None:
    """What the tutorial says there is now."""
    if name == "radiograph":
        answer = scope["answer"]
        assert answer.refused and answer.demonstration  # type: ignore[attr-defined]
        images = len(list(Path("phantoms/valid").rglob("*.png")))
        assert len(list(Path("maps").rglob("*.png"))) == images
    elif name == "hybrid":
        answer = scope["answer"]
        assert set(answer.experts) == {"tf_efficientnet_lite0", "cnn"}  # type: ignore[attr-defined]
        assert Path("runs/first/evaluation/report.html").is_file()
    else:
        assert Path("runs/own/evaluation/report.html").is_file()
        assert Path("runs/own/test/metrics.json").is_file() and list(Path("maps").rglob("*.png"))
