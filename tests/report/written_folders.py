"""Folders with results as other commands write them, with known numbers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from ulna.bundle import MapExamination, MapTest
from ulna.config.codec import to_json
from ulna.provenance.receipt import DataRecord, InputFile, Receipt, hash_files, write_receipt

HASH = "ab" * 32
Json = dict[str, Any]


def interval(value: float, spread: float = 0.05) -> Json:
    return {"value": value, "low": value - spread, "high": value + spread}


def stress_json(bundle: str = HASH) -> Json:
    level = {
        **{m: interval(0.7) for m in ("auroc", "sensitivity", "specificity", "kappa")},
        **{"severity": 1, "amount_text": "0.5 px", "amount": 0.5, "mean_shift": interval(0.1)},
        **{"auroc_change": interval(-0.123), "decisions_flipped": interval(0.234)},
    }
    rows = [
        {
            "kind": "corruption",
            "name": "blur",
            "severity": 1,
            "of_severities": 1,
            "amount_text": "0.5 px",
        }
        | {"auroc_from": 1, "decisions_from": None, "auroc": interval(0.7)}
        | {n: level[n] for n in ("auroc_change", "decisions_flipped")},
        {"kind": "subgroup", "level": "image", "name": "view", "group": "<b>LAT", "n": 40}
        | {"measure": "auroc", "value": interval(0.611), "rest": interval(0.822)}
        | {"n_abnormal": 17},
    ]
    return {
        "where_it_breaks": rows,
        "sample": {"n_studies": 12, "n_abnormal": 6, "n_patients": 11, "of_studies": 80, "seed": 3},
        "clean": {m: interval(0.9) for m in ("auroc", "sensitivity", "specificity")},
        "corruptions": {"blur": [level]},
        "leave_one_view_out": {"n_left_out": 30, "n_several_views": 15}
        | {"decisions_flipped": interval(0.345), "mean_shift": interval(0.0456)},
        "subgroups": {"study": {}, "image": {"view": {"<b>LAT": {}, "PA": {}}}},
        "warnings": [],
        "operating_point": "specificity_0.90",
        "bundle": {"hash": bundle},
    }


def examination_json(bundle: str = HASH) -> Json:
    tests = (
        MapTest("pointing game", 0.583, 0.25, 0.917, 0.0, True),
        MapTest("insertion", -0.011, -0.091, 0.078, 0.0, True),
    )
    verdict = MapExamination("images", 12, tests, {"repeatability": "one expert"})
    measures = ("pointing", "precision", "deletion", "insertion")
    maps = {"map": interval(0.666), "random": interval(0.083), "edges": interval(0.0)}
    result: Json = dict.fromkeys(measures, maps)
    return result | {
        "verdict": to_json(verdict),
        "n_images": 12,
        "n_studies": 8,
        "bundle": bundle,
    }


def score_json() -> Json:
    radiologist = {"kappa": 0.7, "difference": -0.131, "verdict": "not told apart"}
    standing = {"rank": 41, "rank_best": 22, "rank_worst": 77, "entries": 98}
    row = {
        "n": 80,
        "n_abnormal": 31,
        "kappa": 0.678,
        "analytic": {"low": 0.521, "high": 0.835},
        "bootstrap": {"value": 0.678, "low": 0.507, "high": 0.829},
        "legacy": {"low": 0.67, "high": 0.69},
        "standing": {**standing, "radiologists": [radiologist] * 3},
    }
    return {"Overall": row, "Wrist": {**row, "standing": None}}


def audit_json() -> Json:
    steps = [
        {"name": "as the prototype", "taken": "", "accuracy": interval(0.943), "change": None},
        {"name": "by study", "taken": "image against study"}
        | {"accuracy": interval(0.621), "change": interval(-0.322)},
    ]
    more = {"chance": 0.357, "n": 300, "unit": "image"}
    return {
        "data": "a <folder> of $5 or $6",
        "kappa": 0.24,
        "n_images": 1500,
        "n_patients": 708,
        "n_studies": 784,
        "plan": {"encoder": "cnn", "epochs": 6, "size": 96, "seed": 0},
        "steps": [{**s, **more} for s in steps],
    }


def review_rows(n: int = 12) -> list[Json]:
    return [
        {
            "rank": i + 1,
            "study": f"{part}/p{i}/s{i}",
            "body_part": part,
            "label": ("normal", "abnormal")[i % 3 == 0],
            "study_probability": f"{0.91 - i / 100:.6g}",
            "label_quality": f"{0.0123 + i / 100:.6g}",
            "flagged": int(i < 5),
        }
        for i, part in enumerate(["HAND", "ELBOW"] * (n // 2))
    ]


def write_folder(verb: str, folder: Path, result: Any, receipt: bool = True) -> Path:
    """Write the main file of `verb` to `folder`, and a receipt that lists it."""
    from ulna.report.sections.folders import MAIN_FILES

    folder.mkdir(parents=True)
    name = MAIN_FILES[verb]
    if verb == "review":
        with (folder / name).open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(result[0]))
            writer.writeheader()
            writer.writerows(result)
    else:
        (folder / name).write_text(json.dumps(result))
    if receipt:
        write_receipt(receipt_of(verb, folder, [name]), folder)
    return folder


def receipt_of(verb: Any, folder: Path, names: list[str]) -> Receipt:
    read = {"predictions": InputFile("gone/predictions.csv", "cd" * 32)}
    return Receipt(
        kind=verb,
        command=("ulna", verb, "my images", "--seed", "3"),
        code={"ulna": "0.1.0", "commit": "f" * 40},
        method={},
        files=hash_files(folder, names),
        data=DataRecord("images", "held out", 80, 160, "ef" * 32),
        inputs=read if verb in ("score", "review") else {},
    )
