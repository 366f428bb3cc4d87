"""The weights of a bundle of folds: a column for each expert, not for each of its graphs.

Report: the table of weights of a bundle of 20 graphs had columns of one letter.
"""

from __future__ import annotations

from ulna.experiments.expert_names import by_folds

FOLDS = [f"{n}-{k}" for n in ("cnn", "lite0_plain") for k in range(5)]


def test_graphs_of_one_expert_are_grouped() -> None:
    assert list(by_folds(FOLDS)) == ["cnn (5)", "lite0_plain (5)"]
    assert by_folds(["cnn", "a-b", "lite0-0"]) == {
        "cnn": ["cnn"], "a-b": ["a-b"], "lite0-0": ["lite0-0"],
    }  # fmt: skip


def test_experts_that_a_recipe_numbers_are_not_grouped() -> None:
    """Regression: they were one column with the sum of their weights."""
    for names in (["net-1", "net-2"], ["cnn", "cnn-0"], ["net-0", "net-2"]):
        assert by_folds(names) == {n: [n] for n in names}
    both = by_folds(["net-1-0", "net-2-0", "net-1-1", "net-2-1"])
    assert both == {"net-1 (2)": ["net-1-0", "net-1-1"], "net-2 (2)": ["net-2-0", "net-2-1"]}
