"""The answer for one study, as `Reader.predict` returns it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.atomic_file import write_atomic
from ulna.types import Radiograph, StudyPrediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERROR_RATE = 0.1
"""The default error rate of the triage, as in `ulna predict --error-rate`."""


@dataclass(frozen=True)
class Answer(StudyPrediction):
    """The prediction of a bundle for one study; a notebook shows it as a picture.

    It has all attributes of `StudyPrediction`. The most used are:

    Attributes
    ----------
    probability : float
        Calibrated probability in [0, 1] that the study is abnormal; `abnormal_means` names what
        that means for the bundle ('abnormality', or one finding as 'fracture').
    abnormal : bool
        Whether `probability` reaches `threshold`, that of the operating point.
    body_part : BodyPart
        From the data or, where `body_part_given` is False, recognised from the pixels.
    refused : str
        Why the study is no radiograph that this bundle can read, or ''. The numbers of a refused
        study are meaningless.
    images : tuple of ImagePrediction
        One for each view that could be read: `probability`, `heat_map` (H, W) float32 in logits per
        cell in source pixels, `findings` (outlined regions) and more.
    flags : tuple of str
        Reservations that a reader should know before relying on the answer.

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
        """Convert a prediction to an answer. map_limit: logit of the map's last colour.

        radiographs: the views in the order of `images`, if they are in memory; without them a
        picture reads the files again.
        """
        values = {f.name: getattr(prediction, f.name) for f in fields(StudyPrediction)}
        return cls(**values, map_limit=map_limit, radiographs=tuple(radiographs))

    def to_dict(self, error_rate: float = ERROR_RATE) -> dict[str, Any]:
        """Return the answer without its maps, as `ulna predict --json` prints it.

        error_rate: of the triage, in (0, 1).
        """
        from ulna.runtime.answer_json import answer_json

        return answer_json(self, error_rate)

    def to_json(self, error_rate: float = ERROR_RATE) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(error_rate), allow_nan=False, indent=1)

    def plot(self, axes: Axes | Sequence[Axes] | None = None) -> list[Axes]:
        """Draw each view with its heat map on the fixed scale and the outlined regions.

        Parameters
        ----------
        axes : matplotlib Axes or a sequence of them, optional
            One for each view; by default those of a new figure.

        Returns
        -------
        list of matplotlib Axes

        Raises
        ------
        DependencyError
            Without matplotlib (`pip install 'ulna[report]'`).
        ImageError
            If an image file cannot be read any more.
        """
        from ulna.api.plot import plot_answer

        return plot_answer(self, axes)

    def save(self, path: Path | str) -> Path:
        """Write the picture of `plot` to a PNG file, complete or not at all; return its path.

        Raises the errors of `plot`, and OSError for a path that cannot be written.

        Examples
        --------
        >>> import ulna
        >>> ulna.load("demonstration").predict("image.png").save("answer.png").name
        'answer.png'
        """
        write_atomic(Path(path), self._repr_png_())
        return Path(path)

    def _repr_png_(self) -> bytes:
        """Return the picture for a notebook."""
        from ulna.api.plot import figure_of

        out = BytesIO()
        figure_of(self).savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()
