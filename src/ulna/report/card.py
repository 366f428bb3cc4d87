"""The model card: intended use, training data, calibration and limits of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from ulna.bundle import map_verdict
from ulna.config.meaning import answer_words
from ulna.runtime.confidence import operating_rates
from ulna.runtime.findings import unknown_categories

if TYPE_CHECKING:
    from ulna.bundle import ExpertEntry, FusionParameters, Manifest, ModelBundle

MEANING = (
    "“{word}” is this bundle’s word for what its training labels call abnormal. The other answer "
    "does not rule out what those labels do not cover."
)
LIMITS = (
    "Research only. It is not a medical device, has no regulatory clearance, and its answers "
    "must not be used for diagnosis or treatment.",
    "It knows only the body parts listed here. Images of other regions or modalities, or with a "
    "cast over the whole field, may be answered too, but such an answer has no meaning.",
    "Scores hold for data like those evaluated here. They change with the hospital, the device and "
    "the case mix, and thresholds and temperatures must then be fitted again.",
    "A heat map shows which places changed the logit. It is not an outline of disease, and a map "
    "without marks does not prove that an image is normal.",
)
_SPLIT = ("train", "tune", "calibration")
PHANTOM_LIMIT = (
    "Trained on computer-made phantoms: no figure here shows how well it reads radiographs of "
    "patients."
)


@dataclass(frozen=True)
class _ModelCard:
    """The tables of the card, each a tuple of rows."""

    facts: tuple[tuple[str, str], ...]
    experts: tuple[tuple[str, ...], ...]
    expert_columns: tuple[str, ...]
    fusion: tuple[tuple[str, ...], ...]
    fusion_columns: tuple[str, ...]
    costs: tuple[tuple[str, ...], ...]
    cost_columns: tuple[str, ...]
    findings: tuple[tuple[str, ...], ...]
    finding_columns: tuple[str, ...]
    limits: tuple[str, ...]


def model_card(bundle: ModelBundle) -> _ModelCard:
    """Make the card of a bundle from its manifest."""
    manifest = bundle.manifest
    fusion, names = manifest.fusion, [e.name for e in manifest.experts]
    points = list(fusion.thresholds)
    word = answer_words(manifest.abnormal_means)[0].capitalize()
    limits: tuple[str, ...] = (*LIMITS[:2], MEANING.format(word=word), *LIMITS[2:])
    limits += (PHANTOM_LIMIT,) if manifest.data.kind == "phantom" else ()
    return _ModelCard(
        facts=_facts(bundle),
        experts=tuple(_expert(e) for e in manifest.experts),
        expert_columns=("Expert", "Encoder", "Neck", "Weights", "Initial weights", "Map grid"),
        fusion=tuple(
            (
                part.value,
                *(f"{fusion.weights[part][n]:.2f}" for n in names),
                f"{fusion.temperatures[part]:.2f}",
                f"{fusion.offsets[part]:+.2f}",
                *(f"{fusion.thresholds[p][part]:.3f}" for p in points),
            )
            for part in manifest.body_parts
        ),
        fusion_columns=("Body part", *names, "Temperature", "Offset", *points),
        costs=_costs(fusion),
        cost_columns=("Body part", " / ".join(answer_words(manifest.abnormal_means)), *points),
        findings=_findings(manifest),
        finding_columns=("Finding", "Temperature", "Offset", "present / absent", *points),
        limits=limits,
    )


def _findings(manifest: Manifest) -> tuple[tuple[str, ...], ...]:
    """Return the rows of the calibration of each category of finding."""
    return tuple(
        (
            c.replace("_", " "),
            f"{own.temperature:.2f}",
            f"{own.offset:+.2f}",
            f"{own.n_present} / {own.n_absent}",
            *(f"{own.thresholds[p]:.3f}" for p in manifest.fusion.thresholds),
        )
        for c, own in (manifest.fusion.findings or {}).items()
    )


def _costs(fusion: FusionParameters) -> tuple[tuple[str, ...], ...]:
    """Return sensitivity and specificity of every operating point on the calibration studies."""
    return tuple(
        (part.value, f"{r[0].n_abnormal} / {r[0].n_normal}", *(str(rates) for rates in r))
        for part, r in operating_rates(fusion).items()
    )


def _facts(bundle: ModelBundle) -> tuple[tuple[str, str], ...]:
    manifest, spec = bundle.manifest, bundle.manifest.input_spec
    data, recipe = manifest.data, manifest.recipe
    order = sorted(manifest.split, key=lambda n: _SPLIT.index(n) if n in _SPLIT else len(_SPLIT))
    split = ", ".join(f"{n} {manifest.split[n]}" for n in order)
    versions = ", ".join(f"{n} {v}" for n, v in sorted(manifest.versions.items()))
    fusion = manifest.fusion
    fitted = f"on {fusion.n_calibration_studies} studies" if fusion.calibrated else "not calibrated"
    return (
        ("Intended use", manifest.intended_use),
        ("Body parts", ", ".join(p.lower() for p in manifest.body_parts)),
        ("Answers", " or ".join(answer_words(manifest.abnormal_means))),
        ("Findings", _named(manifest)),
        (
            "Training data",
            f"{data.kind} “{data.name}”, {_count(data.n_studies)} studies, "
            f"{_count(data.n_images)} images, fingerprint {data.sha256[:16]}",
        ),
        ("Split by patient", f"{split} studies"),
        ("Recipe", ": ".join(filter(None, (recipe.name, recipe.description)))),
        ("Seed, precision", f"{recipe.seed}, {recipe.precision}"),
        (
            "Input",
            f"{spec.size} × {spec.size} px, one channel, letterboxed, grey levels between "
            f"the {spec.low_percentile:g} and {spec.high_percentile:g} % quantile"
            + (f", local contrast over {spec.local_contrast:.0%}" if spec.local_contrast else ""),
        ),
        ("Fusion", f"{recipe.fusion.kind}, {fitted}"),
        (
            "Map",
            f"outlined above {fusion.map_threshold:.2f} where it reaches {fusion.map_peak:.2f}"
            + (f", down to {fusion.map_share:.0%} of its peak" if fusion.map_share else "")
            + f"; last colour at {fusion.map_limit:.2f} (calibrated logits)",
        ),
        ("Map examined", map_verdict(manifest.map_examination).removeprefix("heat maps: ")),
        ("Created", manifest.created),
        ("Versions", versions),
        ("Bundle hash", bundle.hash),
    )


def _named(manifest: Manifest) -> str:
    """Name the categories of the finding head, and those that are never predicted."""
    if not manifest.categories:
        return "no categories"
    named = ", ".join(c.replace("_", " ") for c in manifest.categories)
    if manifest.fusion.findings is None:
        return f"{named}; not calibrated"
    unknown = ", ".join(c.replace("_", " ") for c in unknown_categories(manifest))
    return f"{named}; not predicted, too few labels: {unknown}" if unknown else named


def _expert(expert: ExpertEntry) -> tuple[str, ...]:
    initial: str = expert.initial.kind
    if expert.initial.path:
        initial += f" ({PurePath(expert.initial.path).name})"
    return (
        expert.name,
        expert.encoder,
        expert.neck,
        f"{expert.parameters / 1e6:.2f} million",
        initial,
        f"{expert.grid[0]} × {expert.grid[1]}",
    )


def _count(n: int) -> str:
    return f"{n:,}".replace(",", "\u202f")


def map_banner(manifest: Manifest) -> dict[str, str | bool]:
    """Return the banner on the heat maps at the top of the report: passed, heading, sentence."""
    examination = manifest.map_examination
    if examination is None:
        message = (
            "It has not been tested whether they show the reasons of an answer (ulna examine)."
        )
        return {"passed": False, "heading": "Heat maps not examined.", "sentence": message}
    sentence = f"{map_verdict(examination).removeprefix('heat maps: ')}."
    heading = f"Heat maps: examination {'' if examination.reliable else 'not '}passed."
    return {"passed": examination.reliable, "heading": heading, "sentence": sentence}
