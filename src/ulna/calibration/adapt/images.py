"""A bundle's outputs on labelled images of a hospital: logits, and the inputs of its heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ulna.calibration.part_scores import Floats, PartScores
from ulna.types import BodyPart

if TYPE_CHECKING:
    from ulna.bundle import Manifest
    from ulna.runtime import StudyOutputs


@dataclass(frozen=True)
class HospitalImages:
    """Outputs of a bundle of E experts on I images of N labelled studies.

    logit: (I,) of the bundle, under its own calibration. experts: (E, I) of each expert,
    uncalibrated. gain: (I, E) derivative of the bundle's logit by that of each expert. attended: E
    arrays (I, C_e), mean inputs of the abnormal heads; empty where they were not requested. study:
    (I,) index of the image's study. abnormal, patient, part: (N,) of the studies.
    """

    logit: Floats
    experts: Floats
    gain: Floats
    attended: tuple[Floats, ...]
    study: npt.NDArray[np.int64]
    abnormal: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.str_]
    part: tuple[BodyPart, ...]

    @property
    def label(self) -> npt.NDArray[np.bool_]:
        """Labels (I,) of the images: those of their studies."""
        return self.abnormal[self.study]

    @property
    def fewest(self) -> int:
        """Number of studies of the rarer class."""
        return int(min(self.abnormal.sum(), (~self.abnormal).sum()))

    def of(self, chosen: npt.NDArray[np.bool_]) -> HospitalImages:
        """Return the images of the studies selected by the mask `chosen` (N,)."""
        kept = chosen[self.study]
        return HospitalImages(
            self.logit[kept],
            self.experts[:, kept],
            self.gain[kept],
            tuple(x[kept] for x in self.attended),
            (np.cumsum(chosen) - 1)[self.study[kept]],
            self.abnormal[chosen],
            self.patient[chosen],
            tuple(p for p, k in zip(self.part, chosen, strict=True) if k),
        )

    def probability(self, logit: Floats) -> Floats:
        """Return study probabilities (N,) from image logits (I,): means over a study's images."""
        return self.scores(logit).probability(np.ones(1), 0.0, 1.0)

    def scores(self, logit: Floats) -> PartScores:
        """Return the studies with one logit (I,) for each image, as input of a calibration."""
        return PartScores(logit[:, None], self.study, self.abnormal)


def images_of(outputs: Sequence[StudyOutputs], manifest: Manifest) -> HospitalImages:
    """Collect the outputs of labelled studies whose body part the bundle knows."""
    fusion, names = manifest.fusion, [e.name for e in manifest.experts]
    gain, offset, experts, study = [], [], [], []
    for k, output in enumerate(outputs):
        part = output.study.body_part
        assert part is not None
        column, t = manifest.body_parts.index(part), fusion.temperatures[part]
        for image in output.images:
            gain.append([fusion.weights[part][n] / t for n in names])
            offset.append(fusion.offsets[part] / t)
            experts.append([float(image.experts[n].abnormal[column]) for n in names])
            study.append(k)
    images = [i for o in outputs for i in o.images]
    logits, weight = np.array(experts), np.array(gain)
    return HospitalImages(
        logit=(logits * weight).sum(axis=1) + np.array(offset),
        experts=logits.T,
        gain=weight,
        attended=tuple(
            np.array([i.experts[n].attended for i in images], np.float64) for n in names
        ),
        study=np.array(study, np.int64),
        abnormal=np.array([bool(o.study.abnormal) for o in outputs]),
        patient=np.array([o.study.patient_id for o in outputs]),
        part=tuple(p for o in outputs if (p := o.study.body_part) is not None),
    )
