"""Writers of pages and figures, made before a computation so that missing packages show at once.

A pipeline is given one of these and does not depend on the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ulna.errors import DependencyError

if TYPE_CHECKING:
    from ulna.attribution.examination.pipeline import Figure
    from ulna.bundle import ModelBundle
    from ulna.evaluation.pipeline import Report
    from ulna.report.sections.folders import Included
    from ulna.robustness.stress.pipeline import Page


def report_writer() -> Report:
    """Return the writer of report.html. DependencyError if the report's packages are missing."""
    with _report_packages():
        from ulna.report.page import write_report
    return write_report


def report_including(included: Sequence[Included] = ()) -> Callable[[ModelBundle], Report]:
    """Return a function from the evaluated bundle to the writer of its report.html.

    included: results of `ulna stress`, `examine`, `review`, `score` and `audit`. DependencyError if
    the report's packages are missing. The returned function raises ConfigError for an included file
    with other content.
    """
    with _report_packages():
        from ulna.report.page import write_report
        from ulna.report.sections.section import build_sections

    def writer(bundle: ModelBundle) -> Report:
        return partial(write_report, sections=build_sections(included, bundle))

    return writer


def stress_writer() -> Page:
    """Return the writer of stress.html and stress.png. DependencyError as `report_writer`."""
    with _report_packages():
        from ulna.report.stress_page import write_stress_page
    return write_stress_page


def figure_writer() -> Figure:
    """Return the writer of examination.png. DependencyError as `report_writer`."""
    with _report_packages():
        from ulna.report.examination_figure import write_figure
    return write_figure


@contextmanager
def _report_packages() -> Iterator[None]:
    """Import parts of the report. DependencyError if their packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"the report needs {error.name}: install Ulna's extra 'report' "
            "(pip install 'ulna[report]')"
        ) from None
