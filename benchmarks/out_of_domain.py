"""What a bundle refuses: AUROC and share refused of foreign images, share of good images refused.

    python benchmarks/out_of_domain.py RUN --good DATA --out out_of_domain.json

RUN is a folder of `ulna train`, exported here to a folder that goes away. The good images are
those of DATA; half of their patients fit the statistics, the other half must not be refused.
Foreign: photographs and pages of scikit-image, scikit-learn and
matplotlib in grey, with their quarters (where these packages are installed); noise, blanks and
rendered pages made here; and with --foreign NAME=TABLE any table or folder of DICOM files.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ulna.bundle import OodDetector, replace_fusion
from ulna.calibration.out_of_distribution_fit import fit_out_of_distribution
from ulna.datasets import index_data
from ulna.imaging import read_radiograph
from ulna.imaging.non_radiograph import non_radiograph_reason
from ulna.metrics import auroc
from ulna.metrics.bootstrap import bootstrap_intervals
from ulna.metrics.ranking import weighted_auroc
from ulna.runtime import Predictor
from ulna.runtime.outputs import StudyOutputs
from ulna.types import Array, Radiograph, Study

PICTURES = {
    "skimage": (
        "data",
        "astronaut camera chelsea coffee coins rocket motorcycle_left motorcycle_right brick grass "
        "gravel hubble_deep_field ihc retina cell moon",
    ),
    "sklearn": ("datasets/images", "china flower"),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper"),
}
PAGES = {"skimage": ("data", "page text")}


def pictures(wanted: dict[str, tuple[str, str]]) -> Iterator[Array]:
    """Each picture in grey, and its quarters."""
    for package, (folder, names) in wanted.items():
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            print(f"{package} is not installed: its pictures are left out")
            continue
        base = Path(spec.submodule_search_locations[0]) / folder
        for path in (p for n in names.split() for p in sorted(base.glob(f"{n}.*g"))):
            grey = np.asarray(Image.open(path).convert("L"), np.float32) / 255
            h, w = grey.shape[0] // 2, grey.shape[1] // 2
            yield from (grey, grey[:h, :w], grey[:h, w:], grey[h:, :w], grey[h:, w:])


def rendered_pages(n: int, rng: np.random.Generator) -> Iterator[Array]:
    """Lines of words in many sizes on nearly white paper."""
    words = (__doc__ or "").split()
    for _ in range(n):
        height, width = int(rng.integers(600, 1200)), int(rng.integers(450, 900))
        page, size = (
            Image.new("L", (width, height), int(rng.integers(225, 256))),
            rng.integers(10, 30),
        )
        font = ImageFont.load_default(size=int(size))
        for y in range(30, height - 40, int(size * 1.4)):
            line = " ".join(rng.choice(words, int(rng.integers(1, 2 + width // size // 4))))
            ImageDraw.Draw(page).text((30, y), line, fill=int(rng.integers(0, 60)), font=font)
        yield np.asarray(page, np.float32) / 255


def noise(n: int, rng: np.random.Generator) -> Iterator[Array]:
    """White noise, and the same blurred by up to 20 px."""
    for k in range(n):
        x = rng.random((int(rng.integers(200, 600)), int(rng.integers(200, 600))))
        x = ndimage.gaussian_filter(x, (0, 0, 1, 3, 8, 20)[k % 6])
        yield ((x - x.min()) / np.ptp(x)).astype(np.float32)


def blanks(n: int, rng: np.random.Generator) -> Iterator[Array]:
    """One grey, one grey with a little noise, a ramp."""
    for k in range(n):
        height, width = int(rng.integers(200, 600)), int(rng.integers(200, 600))
        x = np.full((height, width), rng.random())
        if k % 3 == 1:
            x += rng.normal(0, 0.01, x.shape)
        if k % 3 == 2:
            x = 0.3 * x + 0.6 * rng.random() * np.linspace(0, 1, width)
        yield np.clip(x, 0, 1).astype(np.float32)


def limited(studies: list[Study], most: int) -> list[Study]:
    """At most `most` of them, drawn with a seed."""
    order = np.random.default_rng(0).permutation(len(studies))[:most]
    return [studies[i] for i in order]


def table_pixels(path: Path, most: int) -> Iterator[Array]:
    """The first image of each study of a table or a folder."""
    for study in limited(index_data(path), most):
        yield read_radiograph(study.images[0].path).pixels


def score(predictor: Predictor, pixels: Array) -> tuple[float, bool]:
    """How foreign an image is by its features alone, and whether it is refused at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        radiograph = Radiograph(pixels, source="image")
        image = predictor.predict_radiographs([radiograph]).images[0]
    assert image.ood_distance is not None
    assert not non_radiograph_reason(radiograph) or image.refusal
    return image.ood_distance, bool(image.refusal)


def outputs_of(
    predictor: Predictor, studies: Iterable[Study], negatives: bool
) -> list[StudyOutputs]:
    return [predictor.outputs(s, negatives=negatives) for s in studies]


def fit(run: Path, folder: Path, studies: list[Study]) -> Predictor:
    """The bundle of the run with statistics of these good images."""
    from ulna.export import export_bundle

    bundle = export_bundle(run, folder / "bundle")
    names = [e.name for e in bundle.manifest.experts]
    outputs = outputs_of(Predictor.load(bundle.path), studies, negatives=True)
    out_of_distribution: OodDetector | None = fit_out_of_distribution(outputs, names)
    assert out_of_distribution is not None, f"{len(studies)} studies are too few"
    replace_fusion(bundle, bundle.manifest.fusion, {}, out_of_distribution)
    return Predictor.load(bundle.path)


def halves(studies: list[Study]) -> tuple[list[Study], list[Study]]:
    """By patient: those to fit on, those held out."""
    patients = sorted({s.patient_id for s in studies})
    order = np.random.default_rng(0).permutation(len(patients))
    first = {patients[i] for i in order[: len(patients) // 2]}
    return [s for s in studies if s.patient_id in first], [
        s for s in studies if s.patient_id not in first
    ]


def good_scores(
    predictor: Predictor, studies: list[Study]
) -> tuple[list[float], list[bool], list[str]]:
    result = []
    for study in studies:
        for image in predictor.predict(study).images:
            assert image.ood_distance is not None
            result.append((image.ood_distance, bool(image.refusal), study.patient_id))
    scores, refused, patients = map(list, zip(*result, strict=True))
    return scores, refused, patients


def interval(good: list[float], foreign: list[float], patients: list[str]) -> list[float]:
    truth = np.array([False] * len(good) + [True] * len(foreign))
    scores = np.array(good + foreign)
    whose = patients + [f"foreign {i}" for i in range(len(foreign))]
    result = bootstrap_intervals(
        whose, {"auroc": lambda w: weighted_auroc(truth, scores, w)}, 1000, 0
    )["auroc"]
    return [auroc(truth, scores), result.low, result.high]


def polarity(predictor: Predictor, studies: list[Study]) -> dict[str, float]:
    """How often an image and its negative end in the same polarity, and an image is turned."""
    requested = [
        Radiograph(p, source="film")
        for p in (read_radiograph(s.images[0].path).pixels for s in studies)
    ]
    as_came = [predictor.predict_radiographs([r]).images[0] for r in requested]
    turned = [
        predictor.predict_radiographs([Radiograph(1 - r.pixels, source="film")]).images[0]
        for r in requested
    ]
    pairs = list(zip(as_came, turned, strict=True))
    away = [abs(a.probability - b.probability) for a, b in pairs]
    return {
        "films": len(pairs),
        "images turned": float(np.mean([a.inverted for a in as_came])),
        "negatives turned": float(np.mean([b.inverted for b in turned])),
        "negatives turned or refused": float(
            np.mean([b.inverted or bool(b.refusal) for b in turned])
        ),
        "median difference of probability": float(np.median(away)),
    }


def asked_for() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--good", type=Path, required=True)
    parser.add_argument("--split", default="", help="good studies of this side of DATA only")
    parser.add_argument("--most", type=int, default=400, help="good studies, and images of a table")
    parser.add_argument("--foreign", action="append", default=[], metavar="NAME=TABLE")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def foreign_groups(tables: list[str], most: int) -> dict[str, Iterable[Array]]:
    """The images of each group, made or read one by one. tables: NAME=TABLE each."""
    rng = np.random.default_rng(0)
    groups: dict[str, Iterable[Array]] = {
        "photographs": pictures(PICTURES),
        "pages": [*pictures(PAGES), *rendered_pages(40, rng)],
        "noise": noise(60, rng),
        "blanks": blanks(30, rng),
    }
    for given in tables:
        name, _, path = given.partition("=")
        groups[name] = table_pixels(Path(path), most)
    return groups


def main() -> None:
    requested = asked_for()
    good_studies = [s for s in index_data(requested.good) if requested.split in ("", s.split)]
    fitted_on, held_out = halves(limited(good_studies, requested.most))
    with tempfile.TemporaryDirectory() as folder:
        predictor = fit(requested.run, Path(folder), fitted_on)
        good, refused, patients = good_scores(predictor, held_out)
        result: dict[str, object] = {
            "good images held out": {"images": len(good), "refused": float(np.mean(refused))}
        }
        print(result, flush=True)
        for name, images in foreign_groups(requested.foreign, requested.most).items():
            scored = [score(predictor, pixels) for pixels in images]
            value, low, high = interval(good, [s for s, _ in scored], patients)
            result[name] = {
                "images": len(scored),
                "auroc": value,
                "low": low,
                "high": high,
                "refused": float(np.mean([r for _, r in scored])),
            }
            print(name, result[name], flush=True)
        result["polarity"] = polarity(predictor, held_out[:40])
    print(json.dumps(result, indent=1))
    if requested.out:
        requested.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
