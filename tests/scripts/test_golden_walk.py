"""scripts/golden_walk.py: no verb is left out, and no two calls share a name."""

from __future__ import annotations

from pathlib import Path

from scripts.golden_walk import calls

from ulna.cli.main import VERBS


def test_the_walk_calls_every_verb_rightly_and_wrongly(tmp_path: Path) -> None:
    walk = [call for call in calls(tmp_path) if not call.name.startswith("@")]
    for code, result in (("0", {0}), ("another", set(range(1, 128)))):
        walked = {call.words[0] for call in walk if call.words and call.code in result}
        assert set(VERBS) <= walked, f"no call that ends with {code}"


def test_names_are_of_one_call_each(tmp_path: Path) -> None:
    names = [call.name for call in calls(tmp_path) if not call.name.startswith("@")]
    assert len(names) == len(set(names)) and all(n.replace("-", "").isalnum() for n in names)
