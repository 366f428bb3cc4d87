"""Writers of pages: a missing package is an error before anything is computed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from ulna.errors import DependencyError
from ulna.report.examination_figure import write_figure
from ulna.report.page import write_report
from ulna.report.stress_page import write_stress_page
from ulna.report.writers import figure_writer, report_including, report_writer, stress_writer

WRITERS = {
    "page": (report_writer, write_report),
    "stress_page": (stress_writer, write_stress_page),
    "examination_figure": (figure_writer, write_figure),
}


@pytest.mark.parametrize("module", WRITERS)
def test_writers_are_those_of_the_pages(module: str) -> None:
    requested, writes = WRITERS[module]
    assert requested() is writes


@pytest.mark.parametrize(
    ("module", "requested"), [*((m, w[0]) for m, w in WRITERS.items()), ("page", report_including)]
)
def test_a_missing_package_is_an_error(
    module: str, requested: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"ulna.report.{module}", None)
    with pytest.raises(DependencyError, match=r"pip install 'ulna\[report\]'"):
        requested()
