"""What writes each page and figure, made before hours are spent on what it then could not write.

A pipeline that computes is handed one of these and knows no page.
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
    """The writer of report.html. DependencyError where the report's packages are missing."""
    with _report_packages():
        from ulna.report.page import write_report
    return write_report


def report_including(included: Sequence[Included] = ()) -> Callable[[ModelBundle], Report]:
    """From the bundle that is evaluated to the writer of its report.html.

    included: what `ulna stress`, `examine`, `review`, `score` and `audit` wrote. DependencyError
    where the report's packages are missing; the function returned raises ConfigError for an
    included file of other content.
    """
    with _report_packages():
        from ulna.report.page import write_report
        from ulna.report.sections.section import build_sections

    def writer(bundle: ModelBundle) -> Report:
        return partial(write_report, sections=build_sections(included, bundle))

    return writer


def stress_writer() -> Page:
    """The writer of stress.html and stress.png. DependencyError as `report_writer`."""
    with _report_packages():
        from ulna.report.stress_page import write_stress_page
    return write_stress_page


def figure_writer() -> Figure:
    """The writer of examination.png. DependencyError as `report_writer`."""
    with _report_packages():
        from ulna.report.examination_figure import write_figure
    return write_figure


@contextmanager
def _report_packages() -> Iterator[None]:
    """An import of the report's parts; DependencyError where their packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"the report needs {error.name}: install Ulna's extra 'report' "
            "(pip install 'ulna[report]')"
        ) from None
