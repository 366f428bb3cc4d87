"""What single experts of a cross-validation make of images that they have not learned from.

    python benchmarks/second_source_films.py CROSSVAL sources.csv --own fracatlas --out plain.npz
    python benchmarks/second_source_films.py CROSSVAL sources.csv --own fracatlas --folds 0 \
        --only fracatlas,mendeley_wrist --parts HAND,WRIST --control all --out all.npz

First step of `second_source.py`, which takes the files of several calls. CROSSVAL: folder of
`ulna crossval` with one expert, made on the source --own of the table of sources
(docs/sources.md); its images are answered by the graph of the fold that held them out, those of
other sources by the graph of every fold. --control: what is done to the images before
(`ulna.robustness.sources.standardise`). Kept: logits, and the features that heads read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ulna.bundle import ModelBundle, read_bundle
from ulna.config.engine import EngineSettings
from ulna.datasets import index_data
from ulna.datasets.overlap import keys_among
from ulna.experiments.held_out import run_split
from ulna.imaging import read_radiograph
from ulna.preprocess import prepare
from ulna.robustness.sources.standardise import CONTROLS
from ulna.runtime.session import Session
from ulna.types import BodyPart, Study


def rows_of(
    bundle: ModelBundle, fold: int, studies: Sequence[Study], control: str, engine: EngineSettings
) -> Iterator[dict[str, object]]:
    """One row for each image."""
    session = Session(bundle.graph_path(bundle.manifest.experts[0]), engine)
    for study in studies:
        for ref in study.images:
            image = CONTROLS[control](read_radiograph(ref.path))
            message = session.run(prepare(image, bundle.manifest.input_spec)[0][None])[0]
            yield {
                "fold": fold,
                "control": control,
                "source": study.source,
                "patient": study.patient_id,
                "study": study.key,
                "film": ref.path.name,
                "part": str(study.body_part),
                "abnormal": np.nan if study.abnormal is None else float(study.abnormal),
                "said": message.abnormal,
                "body_part": message.body_part,
                "features": message.features,
            }


def requested(given: argparse.Namespace) -> list[Study]:
    """The studies of the sources and body parts that are wanted."""
    sources = [s for s in given.only.split(",") if s]
    parts = [BodyPart.parse(p) for p in given.parts.split(",") if p]
    kept: dict[tuple[str, BodyPart | None], list[Study]] = {}
    for study in index_data(given.sources):
        if (study.source in sources or not sources) and (study.body_part in parts or not parts):
            kept.setdefault((study.source, study.body_part), []).append(study)
    return [s for own in kept.values() for s in own[: given.most or None]]


def not_learned(studies: Sequence[Study], own: str, run: Path) -> list[Study]:
    """Those that `run` does not know, whether it was made on the table of sources or on `own`."""
    learned = {key for keys in run_split(run).values() for key in keys}
    known = learned | keys_among(learned, [s for s in studies if s.source == own])
    return [s for s in studies if s.key not in known]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crossval", type=Path)
    parser.add_argument("sources", type=Path)
    parser.add_argument("--own", required=True, help="the source that CROSSVAL was made on")
    parser.add_argument("--folds", default="0,1,2,3,4")
    parser.add_argument("--only", default="", help="sources, with commas between; all if none")
    parser.add_argument("--parts", default="", help="body parts, with commas between")
    parser.add_argument("--most", type=int, default=0, help="studies of each source and part")
    parser.add_argument("--control", choices=list(CONTROLS), default="plain")
    parser.add_argument("--engine", default="onnxruntime:fp32")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    engine, studies = EngineSettings.parse(given.engine), requested(given)
    rows: list[dict[str, object]] = []
    for k in map(int, given.folds.split(",")):
        run, started = given.crossval / f"fold{k}", time.process_time()
        held = not_learned(studies, given.own, run)
        bundle = read_bundle(run / "bundle")
        rows += rows_of(bundle, k, held, given.control, engine)
        print(f"fold {k}: {len(held)} studies, {time.process_time() - started:.0f} s", flush=True)
    parts = np.array([str(p) for p in bundle.manifest.body_parts])
    columns = {name: np.array([r[name] for r in rows]) for name in rows[0]}
    np.savez_compressed(given.out, parts=parts, **columns)


if __name__ == "__main__":
    main()
