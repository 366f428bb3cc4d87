"""An answer as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runtime.predictions import prediction

from ulna.runtime.answer_json import answer_json


def test_json_holds_the_answer_and_reads_back(tmp_path: Path) -> None:
    answer = json.loads(json.dumps(answer_json(prediction(tmp_path), 0.1), allow_nan=False))
    assert answer["abnormal"] is True
    assert answer["body_part"] == "WRIST"
    assert answer["images"][0]["findings"][0]["box"] == [5, 5, 5, 5]
    assert answer["images"][0]["finding_probabilities"] == {"fracture": 0.5}
    assert answer["skipped"] == [{"image": "b.png", "reason": "0 bytes"}]
