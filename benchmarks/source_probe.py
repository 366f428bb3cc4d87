"""Does a bundle read the bone or the hospital: the source probe, and scores of standardised images.

    python benchmarks/source_probe.py BUNDLE sources.csv --parts WRIST,HAND --out source_probe.json

Of every control (images as they are, at one pixel size, letters covered, blurred to one sharpness,
all three): how well a linear classifier tells the sources from the features of the bundle's graphs
within label (`ulna.robustness.sources.probe`), and with --scores SOURCE how the bundle answers the
images of that source under each (`ulna.robustness.sources.image_features`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from ulna.bundle import read_bundle
from ulna.datasets import index_data
from ulna.errors import DatasetError
from ulna.evaluation.scores import Json
from ulna.robustness.sources.image_features import image_features, score_controls
from ulna.robustness.sources.probe import probe_sources
from ulna.robustness.sources.standardise import CONTROLS
from ulna.runtime import Predictor
from ulna.types import BodyPart, Study


def some(studies: Sequence[Study], parts: Sequence[BodyPart], most: int) -> list[Study]:
    """The labelled studies of these body parts, of each source and label at most so many."""
    chosen = [s for s in studies if s.abnormal is not None and (not parts or s.body_part in parts)]
    kept: dict[tuple[str, bool | None], list[Study]] = {}
    for study in sorted(chosen, key=lambda s: s.key):
        kept.setdefault((study.source, study.abnormal), []).append(study)
    return [s for own in kept.values() for s in own[:: max(1, -(-len(own) // most))]]


def message(name: str, result: Json) -> str:
    """One control's line."""
    words = []
    for label, one in result.items():
        if "auroc" not in one:
            words.append(f"{label}: {one['reason']}")
            continue
        auroc, right = one["auroc"], one["balanced_accuracy"]
        words.append(
            f"{label}: AUROC {auroc['value']:.3f} ({auroc['low']:.2f} to {auroc['high']:.2f}), "
            f"right {right['value']:.2f} (chance {one['chance']:.2f})"
        )
    return f"{name}: " + "; ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("sources", type=Path, help="a table of sources (docs/sources.md)")
    parser.add_argument("--parts", default="", help="body parts, with commas between; all if none")
    parser.add_argument("--expert", default="", help="whose features; of all experts if none")
    parser.add_argument("--most", type=int, default=200, help="images of each source and label")
    parser.add_argument("--scores", default="", metavar="SOURCE", help="answer its images too")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    parts = [BodyPart.parse(p) for p in given.parts.split(",") if p]
    studies, bundle = index_data(given.sources), read_bundle(given.bundle)
    chosen = some(studies, parts, given.most)
    result: Json = {"bundle": bundle.hash, "parts": parts, "probe": {}}
    for name, control in CONTROLS.items():
        result["probe"][name] = probe_sources(image_features(bundle, chosen, control, given.expert))
        print(message(name, result["probe"][name]), flush=True)
    if given.scores:
        own = [s for s in studies if s.source == given.scores]
        if not own:
            raise DatasetError(f"{given.sources} has no source {given.scores!r}")
        result["scores"] = score_controls(Predictor.load(given.bundle), own)
        for name, one in result["scores"]["controls"].items():
            auroc = one["scores"]["auroc"]
            print(
                f"{given.scores}, {name}: AUROC {auroc['value']:.3f} ({auroc['low']:.2f} to "
                f"{auroc['high']:.2f}), refused {one['refused']:.0%}"
            )
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
