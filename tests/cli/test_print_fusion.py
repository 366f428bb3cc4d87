"""The weights of a bundle of folds: a column for each expert, not for each of its graphs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.runtime.analytic_bundle import FITTED

from ulna.cli.calibrate import print_fusion

FOLDS = [f"{n}-{k}" for n in ("cnn", "lite0_plain") for k in range(5)]


def test_the_table_of_weights_fits_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    weights = {part: dict.fromkeys(FOLDS, 0.1) for part in FITTED.weights}
    print_fusion(replace(FITTED, weights=weights))
    shown = capsys.readouterr().out
    assert "cnn (5)" in shown and "0.50" in shown and "cnn-0" not in shown
