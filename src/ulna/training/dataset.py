"""The radiographs of studies as a torch `Dataset`, for custom training code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ulna.config.input_spec import InputSpec
from ulna.errors import DatasetError
from ulna.imaging.read import read_radiograph
from ulna.preprocess import prepare
from ulna.types import BodyPart, ImageRef, Study

UNKNOWN = -1
"""The index of an unknown body part: `torch.nn.CrossEntropyLoss(ignore_index=-1)` skips it."""


class RadiographItem(TypedDict):
    """One image. pixels: (1, S, S) float32, normalised. abnormal: 1, 0, or nan if unlabelled.

    body_part: index into the dataset's `body_parts`, -1 where unknown. study: index of its study.
    """

    pixels: Tensor
    abnormal: Tensor
    body_part: Tensor
    study: Tensor
    path: str


class RadiographDataset(Dataset[RadiographItem]):
    """Every image of some studies, preprocessed as for Ulna's own networks.

    Parameters
    ----------
    studies : sequence of Study
        From `ulna.index`. An image has the label of its study.
    spec : InputSpec
        Side of the square and normalisation. A trained expert's is
        `ulna.load_expert(...).input_spec`.
    body_parts : sequence of BodyPart
        The order of the classes, by default all seven. Other body parts count as unknown.
    transform : callable, optional
        Applied to the (1, S, S) tensor, such as a torchvision v2 transform. It must be picklable
        (no lambda) for a DataLoader with workers.

    Raises
    ------
    DatasetError
        If there is no study.
    ImageError
        On indexing, if a file cannot be read.

    Examples
    --------
    >>> import ulna
    >>> from torch.utils.data import DataLoader
    >>> data = ulna.RadiographDataset(ulna.index("phantoms"), ulna.InputSpec(size=64))
    >>> batch = next(iter(DataLoader(data, batch_size=2)))
    >>> tuple(batch["pixels"].shape), batch["abnormal"].dtype
    ((2, 1, 64, 64), torch.float32)
    """

    def __init__(
        self,
        studies: Sequence[Study],
        spec: InputSpec | None = None,
        *,
        body_parts: Sequence[BodyPart] = tuple(BodyPart),
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.studies = tuple(studies)
        self.spec = spec or InputSpec()
        self.body_parts = tuple(body_parts)
        self.transform = transform
        self._images: list[tuple[int, ImageRef]] = [
            (number, image) for number, study in enumerate(self.studies) for image in study.images
        ]
        if not self._images:
            raise DatasetError(
                "a dataset of 0 studies: expected at least one, for example from ulna.index"
            )

    def __len__(self) -> int:
        """Return the number of images over all studies."""
        return len(self._images)

    def __getitem__(self, index: int) -> RadiographItem:
        """Read and return the image `index`."""
        number, image = self._images[index]
        study = self.studies[number]
        pixels = torch.from_numpy(prepare(read_radiograph(image.path), self.spec)[0])
        label = float("nan") if study.abnormal is None else float(study.abnormal)
        known = study.body_part in self.body_parts
        part = self.body_parts.index(study.body_part) if study.body_part and known else UNKNOWN
        return RadiographItem(
            pixels=pixels if self.transform is None else self.transform(pixels),
            abnormal=torch.tensor(label, dtype=torch.float32),
            body_part=torch.tensor(part),
            study=torch.tensor(number),
            path=str(image.path),
        )
