"""The mutants: each is what a seed, a family and a number make of the images."""

from __future__ import annotations

from random import Random

from tests.fuzz.damage import GENERAL, Damage, spliced
from tests.fuzz.dicom_damage import DICOM
from tests.fuzz.images import dicom_films, picture_films, share
from tests.fuzz.picture_damage import JPEG, PNG, TIFF

FAMILIES: dict[str, tuple[Damage, ...]] = {"DICOM": DICOM, "PNG": PNG, "JPEG": JPEG, "TIFF": TIFF}
COUNTS = {"DICOM": 20_000, "PNG": 3_400, "JPEG": 3_300, "TIFF": 3_300}


class Mutants:
    """The mutants of one family and seed; the same number is the same mutant on every machine.

    As long as the images are the same: those beside the repository and the codecs at hand count.
    """

    def __init__(self, family: str, seed: str) -> None:
        self._family, self._seed = family, seed
        self.images = dicom_films() if family == "DICOM" else picture_films()[family]
        self._names = sorted(self.images)
        self._shares = [share(name, self.images[name]) for name in self._names]

    def make(self, number: int) -> tuple[str, bytes]:
        """(name of the image, its damaged bytes)."""
        rng = Random(f"{self._seed}/{self._family}/{number}")
        name = rng.choices(self._names, self._shares)[0]
        data = bytearray(self.images[name])
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if rng.random() < 0.06:
                data = spliced(data, self.images[rng.choice(self._names)], rng)
                continue
            kinds = GENERAL if rng.random() < 0.3 else FAMILIES[self._family]
            data = rng.choice(kinds)(data or bytearray(b"\0"), rng)
        return name, bytes(data)
