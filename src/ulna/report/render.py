"""Fill the templates of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ulna.atomic_file import write_atomic
from ulna.report import formats

_FILTERS = {
    "interval": formats.interval_text,
    "change": formats.change_text,
    "percent": formats.percent_text,
    "share": formats.share_text,
    "measure": formats.measure_name,
    "words": formats.words_text,
}


def render_page(template: str, content: Mapping[str, Any], out: Path) -> None:
    """Fill `template`, a file of this folder, with `content` and the common style. Write `out`."""
    filled = fill(template, {"style": Markup(_text("style.css")), **content})
    # Names of files may contain characters that UTF-8 cannot encode.
    write_atomic(out, str(filled), errors="backslashreplace")


def fill(template: str, content: Mapping[str, Any]) -> Markup:
    """Return `template`, a file of this folder, filled with `content`: a page or a part of one.

    Raises jinja2.UndefinedError for a name of the template that is not in `content`.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        loader=FunctionLoader(_text),
    )
    environment.filters |= _FILTERS
    return Markup(environment.get_template(template).render(**content))


def _text(name: str) -> str:
    folder = resources.files("ulna.report")
    return folder.joinpath(*name.split("/")).read_text("utf-8")
