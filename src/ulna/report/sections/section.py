"""Build a section of the report from the results of another command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jinja2 import UndefinedError
from markupsafe import Markup

from ulna.bundle.io import manifest_hash
from ulna.config.codec import to_json
from ulna.errors import BundleError, ConfigError
from ulna.evaluation.scores import Json
from ulna.report.render import fill
from ulna.report.sections import audit, examine, review, score, stress
from ulna.report.sections.folders import MAIN_FILES, Included

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle

TITLES = {
    "stress": "Where it breaks",
    "examine": "Examination of the heat maps",
    "review": "Probable label errors",
    "score": "The score of the MURA competition",
    "audit": "Audit of the prototype’s accuracy",
}
_CONTENT = {
    "stress": stress.content,
    "examine": examine.content,
    "review": review.content,
    "score": score.content,
    "audit": audit.content,
}
_ABSENT = {
    "stress": (
        "Not stressed: how noise, blur, a crop or a missing view change the answers, and in which "
        "subgroups they are worse",
        "ulna stress DATA --bundle BUNDLE --out FOLDER",
    ),
    "examine": (
        "Heat maps not examined: whether they mark findings better than an edge detector does",
        "ulna examine DATA --bundle BUNDLE --out FOLDER",
    ),
    "review": (
        "Labels not reviewed: which of them are most likely wrong",
        "ulna review DATA --from CROSSVAL --out FOLDER",
    ),
    "score": (
        "Not scored as the MURA competition did",
        "ulna score --labels LABELS.csv --predictions predictions.csv --out FOLDER",
    ),
    "audit": (
        "The prototype’s protocol not audited: how much of its accuracy remains on these data",
        "ulna audit DATA --out FOLDER",
    ),
}
# Errors of code that reads a damaged or unrelated file key by key.
_DAMAGE = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(UndefinedError, ConfigError, BundleError),
)


@dataclass(frozen=True)
class Section:
    """A section of the page. facts: its provenance. remarks: warnings at its top.

    predictions: SHA-256 of the table that was scored, '' where that does not apply.
    """

    id: str
    verb: str
    title: str
    body: Markup
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    predictions: str = ""


def build_sections(included: Sequence[Included], bundle: ModelBundle) -> list[Section]:
    """Build a section for each of `included`, in order, of a report on `bundle`.

    Raises ConfigError for a file whose content is not what its command writes.
    """
    return [_build(one, bundle) for one in included]


def absent(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return (sentence, command) for each command without a section."""
    return [entry for verb, entry in _ABSENT.items() if verb not in {s.verb for s in sections}]


def _build(one: Included, bundle: ModelBundle) -> Section:
    try:
        body = fill(f"sections/{one.verb}.html.j2", _CONTENT[one.verb](one))
        made_with, scored = _bundle_of(one), _predictions_of(one)
    except _DAMAGE as error:
        raise ConfigError(
            f"{one.folder / MAIN_FILES[one.verb]}: not what `ulna {one.verb}` writes "
            f"({type(error).__name__}: {error}): run it again"
        ) from error
    _, _, number = one.name.partition("-")
    title = f"{TITLES[one.verb]} ({number})" if number else TITLES[one.verb]
    remarks = _remarks(one, made_with, bundle)
    return Section(one.name, one.verb, title, body, _facts(one, made_with), remarks, scored)


def _bundle_of(one: Included) -> str:
    """Return the hash of the bundle that answered, '' where there was none."""
    if one.verb == "stress":
        return str(one.result["bundle"]["hash"])
    return str(one.result["bundle"]) if one.verb == "examine" else ""


def _predictions_of(one: Included) -> str:
    """Return the SHA-256 of the predictions that `ulna score` read, '' where not known."""
    if one.verb != "score" or one.receipt is None:
        return ""
    return one.receipt.inputs["predictions"].sha256


def _facts(one: Included, made_with: str) -> tuple[tuple[str, str], ...]:
    """Return the provenance of the section: command, data, bundle and code."""
    receipt = one.receipt
    if receipt is None:
        return (("Bundle", made_with[:12]),) if made_with else ()
    facts = [("Command", shlex.join(receipt.command))]
    if (data := receipt.data) is not None:
        counts = f"{data.n_studies} studies, {data.n_images} images"
        facts.append(("Data", f"{data.name}: {counts}; {data.split}; {data.sha256[:12]}"))
    facts += [(f"Read: {n}", f"{f.path}, {f.sha256[:12]}") for n, f in receipt.inputs.items()]
    if made_with:
        facts.append(("Bundle", made_with[:12]))
    code = receipt.code
    facts.append(("Code", f"Ulna {code.get('ulna', '?')}, commit {code.get('commit', '?')[:12]}"))
    return (*facts, ("Receipt", f"files equal to those that it names: {len(receipt.files)}"))


def _remarks(one: Included, made_with: str, bundle: ModelBundle) -> tuple[str, ...]:
    remarks = [] if one.receipt else ["No receipt.json: the origin of these numbers is not known."]
    if made_with and made_with not in (bundle.hash, _unexamined(bundle)):
        remarks.append(
            f"Made with bundle {made_with[:12]}, not with {bundle.hash[:12]} that is evaluated "
            "here. It is another bundle, or was calibrated or examined since. The numbers may not "
            "hold for the bundle evaluated here."
        )
    return tuple(remarks)


def _unexamined(bundle: ModelBundle) -> str:
    """Return the hash of the bundle before `ulna examine` added its verdict; answers are equal."""
    data: Json = to_json(replace(bundle.manifest, map_examination=None))
    return manifest_hash(data)
