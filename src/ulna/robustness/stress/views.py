"""Leave one view out: how much the answer to a study depends on each of its radiographs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ulna.errors import ImageError, message_of
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Resampling, interval_json, share
from ulna.robustness.stress.answers import NotStressed
from ulna.types import Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class LeftOut:
    """The answer to a study without one of its views.

    view: name of the view left out, '' where none is recorded. views: number of views of the study.
    before, after: study probability with and without it. flipped: whether the decision changed.
    """

    key: str
    patient: str
    view: str
    views: int
    before: float
    after: float
    flipped: bool

    @property
    def change(self) -> float:
        """Probability without the view minus that with it."""
        return self.after - self.before


def leave_one_view_out(
    predictor: Predictor,
    studies: Sequence[Study],
    rows: Sequence[StudyRow],
    operating_point: str,
    progress: Progress | None = None,
) -> list[LeftOut]:
    """Answer every study with several views by `predictor` once without each of them.

    rows: the answers to `studies`, in order. Those that are not scored and those with a single
    readable view are skipped. Only readable radiographs count as views. A study whose images cannot
    be read again is left out (NotStressed).
    """
    left_out: list[LeftOut] = []
    for done, (study, row) in enumerate(zip(studies, rows, strict=True), start=1):
        if row.scored and len(row.images) > 1:
            try:
                left_out += _without_each(predictor, study, row, operating_point)
            except (ImageError, MemoryError) as error:
                message = f"no view of {study.key} left out: {message_of(error)}"
                warnings.warn(message, NotStressed, stacklevel=2)
        if progress is not None:
            progress(done, len(studies))
    return left_out


def _without_each(
    predictor: Predictor, study: Study, row: StudyRow, operating_point: str
) -> list[LeftOut]:
    assert row.given is not None
    refs = [image.ref for image in row.images]
    result = []
    for i, left_out in enumerate(refs):
        rest = replace(study, images=tuple(refs[:i] + refs[i + 1 :]))
        answer = predictor.predict(rest, operating_point)
        result.append(
            LeftOut(
                study.key,
                study.patient_id,
                left_out.view,
                len(refs),
                row.given.probability,
                answer.probability,
                answer.abnormal != row.given.abnormal,
            )
        )
    return result


def score_left_out(
    left_out: Sequence[LeftOut], rows: Sequence[StudyRow], resampling: Resampling
) -> Json:
    """Return the distribution of the change and shares of flipped decisions (docs/stress.md)."""
    scored = [r for r in rows if r.scored]
    single = sum(len(r.images) == 1 for r in scored)
    result: Json = {
        "n_studies": len(scored),
        "n_single_view": single,
        "n_several_views": len(scored) - single,
        "n_left_out": len(left_out),
    }
    if not left_out:
        return result
    result |= {k: v for k, v in _moved(left_out, resampling).items() if k != "n"}
    changes = [v.change for v in left_out]
    result["change_quantiles"] = {str(q): float(np.quantile(changes, q)) for q in _QUANTILES}
    result["studies_flipped"] = _studies_flipped(left_out, resampling)
    groups = {
        "by_view": [v.view for v in left_out],
        "by_number_of_views": [str(v.views) for v in left_out],
    }
    for name, of_each in groups.items():
        result[name] = {}
        for group in sorted(set(of_each) - {""}):
            own = [v for v, g in zip(left_out, of_each, strict=True) if g == group]
            result[name][group] = _moved(own, resampling)
    return result


def _moved(left_out: Sequence[LeftOut], resampling: Resampling) -> Json:
    patients = [v.patient for v in left_out]
    shift = share(patients, [abs(v.change) for v in left_out], resampling)
    flips = share(patients, [float(v.flipped) for v in left_out], resampling)
    return {
        "n": len(left_out),
        "mean_shift": interval_json(shift),
        "decisions_flipped": interval_json(flips),
    }


def _studies_flipped(left_out: Sequence[LeftOut], resampling: Resampling) -> Json:
    """Return the share of studies in which the decision flips without some view."""
    any_flip: dict[str, bool] = {}
    patient = {v.key: v.patient for v in left_out}
    for v in left_out:
        any_flip[v.key] = any_flip.get(v.key, False) or v.flipped
    values = [float(any_flip[k]) for k in patient]
    return interval_json(share(list(patient.values()), values, resampling))
