# The task `train` where films lie in one folder for each class: Ulna wants a table of them first.
import csv
from pathlib import Path

import ulna

with open("own.csv", "w", encoding="utf-8", newline="") as file:
    table = csv.writer(file)
    table.writerow(["path", "patient_id", "study_id", "body_part", "abnormal", "split"])
    for path in sorted(Path("films").rglob("*.png")):
        patient, study, _ = path.stem.split("_")
        label, split = path.parent.name, path.parent.parent.name
        table.writerow([path, patient, f"{patient}-{study}", "WRIST", label, split])
run = ulna.train("own.csv", out="runs/folders", set={"experts.*.epochs": 1})
run.export()
run.calibrate()
