"""Formats of numbers and names in a page: the filters of the templates."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

_NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "brier_reliability": "Reliability",
    "brier_resolution": "Resolution",
    "brier_uncertainty": "Uncertainty",
    "brier_within": "Within bins",
    "ece": "ECE",
    "ece_debiased": "ECE debiased",
    "f1": "F1",
    "jpeg": "JPEG",
    "kappa": "Cohen’s κ",
}
_DASH = Markup('<span class="none">–</span>')
Entry = Mapping[str, float | None]


def interval_text(entry: Entry | None, digits: int = 3) -> Markup:
    """Format as '0.931 0.902–0.957' with the interval set smaller; a dash where undefined."""
    if entry is None or entry["value"] is None:
        return _DASH
    value, low, high = entry["value"], entry["low"], entry["high"]
    text = f"<b>{value:.{digits}f}</b>"
    if low is not None and high is not None:
        mark = "†" if low == high else ""
        text += f" <small>{low:.{digits}f}–{high:.{digits}f}{mark}</small>"
    return Markup(text)


def percent_text(value: float | None) -> str:
    """Format a share as '93.1 %'; a dash where undefined."""
    return "–" if value is None else f"{100 * value:.1f} %"


def measure_name(name: str) -> str:
    """Return the name of a measure as it is written in a table."""
    return _NAMES.get(name, name.replace("_", " ").capitalize())


def change_text(entry: Entry | None, digits: int = 3) -> Markup:
    """Format as '+0.031 +0.002 to +0.060' with the interval set smaller; a dash where undefined."""
    if entry is None or entry["value"] is None:
        return _DASH
    text = f"<b>{entry['value']:+.{digits}f}</b>"
    if entry["low"] is not None and entry["high"] is not None:
        text += f" <small>{entry['low']:+.{digits}f} to {entry['high']:+.{digits}f}</small>"
    return Markup(text.replace("-", "−"))


def share_text(entry: Entry | None) -> Markup:
    """Format as '5.6 % 1.1 % to 11.1 %' with the interval set smaller; a dash where undefined."""
    if entry is None or entry["value"] is None:
        return _DASH
    low, high = percent_text(entry["low"]), percent_text(entry["high"])
    return Markup(f"<b>{percent_text(entry['value'])}</b> <small>{low} to {high}</small>")


def words_text(text: object) -> str:
    """Return an identifier as words."""
    return str(text).replace("_", " ")
