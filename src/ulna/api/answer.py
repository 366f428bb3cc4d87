"""The answer for one study, as `Reader.predict` gives it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ulna.types import Radiograph, StudyPrediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERROR_RATE = 0.1
"""Of the triage, where none is named: as `ulna predict --error-rate`."""


@dataclass(frozen=True)
class Answer(StudyPrediction):
    """What a bundle says of one study; shows itself as a picture in a notebook.

    All attributes of `StudyPrediction` are here; these are asked for most:

    Attributes
    ----------
    probability : float
        Calibrated probability in [0, 1] that the study is abnormal; what that means for the bundle
        says `abnormal_means` ('abnormality', or one finding as 'fracture').
    abnormal : bool
        Whether `probability` reaches `threshold`, that of the operating point.
    body_part : BodyPart
        Given or, where `body_part_given` is False, recognised from the pixels.
    refused : str
        Why the study is no radiograph that this bundle can read, or ''. The numbers of a refused
        study mean nothing.
    images : tuple of ImagePrediction
        One for each view that could be read: `probability`, `heat_map` (H, W) float32 in logits per
        cell in source pixels, `findings` (outlined regions) and more.
    flags : tuple of str
        What a reader should know before believing the answer.

    Examples
    --------
    >>> import ulna
    >>> answer = ulna.load("demonstration").predict("image.png")
    >>> 0 <= answer.probability <= 1
    True
    >>> len(answer.images), answer.images[0].heat_map.ndim
    (1, 2)
    """

    map_limit: float = 1.0
    radiographs: tuple[Radiograph, ...] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(
        cls, prediction: StudyPrediction, map_limit: float, radiographs: Sequence[Radiograph] = ()
    ) -> Answer:
        """A prediction as an answer. map_limit: logit of the map's last colour.

        radiographs: the views in the order of `images`, where they are in memory; else a picture
        reads them again from their files.
        """
        message = {f.name: getattr(prediction, f.name) for f in fields(StudyPrediction)}
        return cls(**message, map_limit=map_limit, radiographs=tuple(radiographs))

    def to_dict(self, error_rate: float = ERROR_RATE) -> dict[str, Any]:
        """The answer without its maps, as `ulna predict --json` prints it.

        error_rate: of the triage, in (0, 1).
        """
        from ulna.runtime.answer_json import answer_json

        return answer_json(self, error_rate)

    def to_json(self, error_rate: float = ERROR_RATE) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(error_rate), allow_nan=False, indent=1)

    def plot(self, axes: Axes | Sequence[Axes] | None = None) -> list[Axes]:
        """Draw each view with its heat map on the fixed scale, and what is outlined.

        Parameters
        ----------
        axes : matplotlib Axes or a sequence of them, optional
            One for each view; a new figure where none are given.

        Returns
        -------
        list of matplotlib Axes

        Raises
        ------
        DependencyError
            Without matplotlib (`pip install 'ulna[report]'`).
        ImageError
            Where an image cannot be read any more.
        """
        from ulna.api.plot import plot_answer

        return plot_answer(self, axes)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from ulna.api.plot import figure_of

        out = BytesIO()
        figure_of(self).savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()
