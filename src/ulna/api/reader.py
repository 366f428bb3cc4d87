"""`load` a bundle and ask it: one study, many studies, or its features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulna.api.answer import Answer
from ulna.api.inputs import Given, given_study
from ulna.bundle import Manifest, find_bundle
from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError, UlnaError
from ulna.runtime import Predictor
from ulna.types import Array, BodyPart, Study

if TYPE_CHECKING:
    from ulna.imaging.array import Photometric
    from ulna.runtime.request import Routing

Part = BodyPart | str | None


def load(
    bundle: Path | str | None = None,
    *,
    engine: EngineSettings | str = "auto",
    cascade: bool = False,
) -> Reader:
    """Load a bundle of trained networks; nothing is fetched, and torch is not needed.

    Parameters
    ----------
    bundle : path, "demonstration" or None
        A bundle's folder (`ulna export`, `models/fracatlas` of the repository); "demonstration" is
        the one in the package that has learned from simulated images alone; None the one that
        `ulna predict` takes.
    engine : str or EngineSettings
        What computes, as "onnxruntime:fp32" or "openvino:bf16:2". "auto" takes the fastest that is
        installed and right for the processor; see docs/engines.md.
    cascade : bool
        Skip the later networks where the first are certain (docs/cascade.md).

    Returns
    -------
    Reader

    Raises
    ------
    BundleError
        Where the folder is no bundle or a file of it was changed.
    ConfigError
        For an engine that is not here, or a cascade that the bundle has not.

    Examples
    --------
    >>> import ulna
    >>> reader = ulna.load("demonstration")
    >>> reader.manifest.demonstration
    True
    """
    settings = EngineSettings.parse(engine) if isinstance(engine, str) else engine
    return Reader(find_bundle(bundle), settings, cascade)


class Reader:
    """A loaded bundle. Make it with `ulna.load`.

    It can be pickled, and loads the bundle from its folder again in the other process. One reader
    may answer from several threads.
    """

    def __init__(self, bundle: Path, engine: EngineSettings, cascade: bool = False) -> None:
        predictor = Predictor.load(bundle, engine)
        self._predictor = predictor.with_cascade() if cascade else predictor
        self._made_of = (bundle.resolve(), engine, cascade)

    def __reduce__(self) -> tuple[Any, ...]:
        return Reader, self._made_of

    def __repr__(self) -> str:
        manifest = self.manifest
        parts = ", ".join(p.value.lower() for p in manifest.body_parts)
        return (
            f"<Reader {manifest.name!r}: {len(manifest.experts)} networks, {parts}; abnormal means "
            f"{manifest.abnormal_means}; {self._predictor.engine}>"
        )

    @property
    def manifest(self) -> Manifest:
        """All that is known of the bundle: input, body parts, thresholds, recipe, training data."""
        return self._predictor.manifest

    @property
    def predictor(self) -> Predictor:
        """What computes, for `ulna.runtime`."""
        return self._predictor

    def predict(
        self,
        source: Any,
        *,
        body_part: Part = None,
        photometric: Photometric = "MONOCHROME2",
        operating_point: str | None = None,
        recognise: bool = False,
    ) -> Answer:
        """Read one study: which body part, how likely abnormal, where, how sure.

        Parameters
        ----------
        source : path, list of paths, array, list of arrays, Radiograph or Study
            The image, or all views of one examination. A path is a PNG, JPEG, TIFF or DICOM file,
            or a folder that holds one study. An array is (H, W), of uint8, uint16 or floats in [0,
            1].
        body_part : BodyPart or str, optional
            What the images show, as "WRIST". Without it the DICOM header says it, else it is
            recognised from the pixels.
        photometric : {"MONOCHROME2", "MONOCHROME1"}
            Of arrays: bones are high values, or low ones (DICOM 0028,0004). Files say it
            themselves.
        operating_point : str, optional
            One of the bundle's thresholds by name, as "sensitive"; the bundle's own without it.
        recognise : bool
            Never trust the given body part, look at the pixels.

        Returns
        -------
        Answer

        Raises
        ------
        ImageError
            Where no view can be read.
        DatasetError
            For a folder without images.
        ConfigError
            For several studies, for a body part or operating point that the bundle does not know.

        Examples
        --------
        >>> import ulna
        >>> reader = ulna.load("demonstration")
        >>> answer = reader.predict("image.png", body_part="WRIST")
        >>> answer.body_part.value
        'WRIST'
        """
        _check_routing(body_part, recognise)
        given = given_study(source, _part(body_part), photometric)
        how: Routing = "recognise" if recognise else "given"
        if not given.radiographs:
            result = self._predictor.predict(given.study, operating_point, how)
            return Answer.of(result, self._limit)
        images, part = given.radiographs, given.study.body_part
        if recognise:  # nor what the images themselves say
            images, part = tuple(replace(f, body_part=None) for f in images), None
        result = self._predictor.predict_radiographs(images, part, operating_point)
        return Answer.of(result, self._limit, given.radiographs)

    def predict_each(
        self,
        sources: Path | str | Iterable[Any],
        *,
        body_part: Part = None,
        operating_point: str | None = None,
        recognise: bool = False,
    ) -> Iterator[Answer | UlnaError]:
        """Read many studies, one after the other; a bad one does not end the rest.

        Parameters
        ----------
        sources : path, or iterable of what `predict` takes
            A path is a data folder (MURA, phantoms), a table (.csv), or any folder: of this every
            study is one, as `ulna predict` groups them. Of an iterable each entry is a study.
        body_part, operating_point, recognise
            As of `predict`.

        Yields
        ------
        Answer or UlnaError
            In order. Where a study has no answer, the error that `predict` would raise stands in
            its place.

        Raises
        ------
        ConfigError, DatasetError, ImageError
            Before the first study, where no study could be asked about at all.

        Examples
        --------
        >>> import ulna
        >>> reader = ulna.load("demonstration")
        >>> [type(a).__name__ for a in reader.predict_each(["image.png", "missing.png"])]
        ['Answer', 'ImageError']
        """
        from ulna.runtime.request import check_settings

        _check_routing(body_part, recognise)
        check_settings(self.manifest, operating_point, "recognise" if recognise else "given")
        part = _part(body_part)
        if isinstance(sources, str | os.PathLike):
            sources = _indexed(Path(sources))
        return self._each(sources, part, operating_point, recognise)

    def features(
        self,
        sources: Sequence[Any],
        *,
        photometric: Photometric = "MONOCHROME2",
        experts: Sequence[str] | None = None,
    ) -> Array:
        """Features of images, for scikit-learn or a search for similar ones.

        Parameters
        ----------
        sources : sequence of N paths, arrays or Radiographs
            One image each.
        photometric : {"MONOCHROME2", "MONOCHROME1"}
            As of `predict`.
        experts : sequence of str, optional
            Names of the networks whose features are wanted; all of them without it.

        Returns
        -------
        (N, D) float32
            Of each network the means of all cells of its encoder's stages, one network behind the
            other in the order of `manifest.experts` (or of `experts`).

        Raises
        ------
        ImageError
            For an image that cannot be read: a missing row would shift all others.
        ConfigError
            For networks that the bundle has not, or that give no features.

        Examples
        --------
        >>> import ulna
        >>> ulna.load("demonstration").features(["image.png", "image.png"]).shape[0]
        2
        """
        known = [e.name for e in self.manifest.experts]
        names = list(known if experts is None else experts)
        if not names or set(names) - set(known):
            raise ConfigError(f"experts {names}: expected some of {', '.join(known)}")
        rows = [self._features(given_study(s, None, photometric), names) for s in sources]
        if rows and not rows[0].size:
            raise ConfigError(f"{self.manifest.name}: its graphs give no features: export it again")
        return np.stack(rows) if rows else np.zeros((0, 0), np.float32)

    @property
    def _limit(self) -> float:
        return self.manifest.fusion.map_limit

    def _each(
        self, sources: Iterable[Any], part: BodyPart | None, point: str | None, recognise: bool
    ) -> Iterator[Answer | UlnaError]:
        for source in sources:
            try:
                yield self.predict(
                    source, body_part=part, operating_point=point, recognise=recognise
                )
            except UlnaError as error:
                yield error

    def _features(self, given: Given, names: Sequence[str]) -> Array:
        if len(given.study.images) != 1:
            raise ConfigError(
                f"{given.study.key}: {len(given.study.images)} views: expected one image at a time"
            )
        if given.radiographs:
            (image,) = self._predictor.outputs_of(given.radiographs)
        else:
            (image,) = self._predictor.outputs(given.study).images
        return np.concatenate([image.experts[n].features for n in names]).astype(np.float32)


def _check_routing(body_part: Part, recognise: bool) -> None:
    if recognise and body_part is not None:
        raise ConfigError("recognise=True with a body_part: expected one of them")


def _part(body_part: Part) -> BodyPart | None:
    return BodyPart.parse(body_part) if isinstance(body_part, str) else body_part


def _indexed(path: Path) -> list[Study]:
    from ulna.datasets import index_paths

    return index_paths([path])
