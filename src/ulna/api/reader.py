"""`load`, and the `Reader` that predicts with a bundle or computes its features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulna.api.answer import Answer
from ulna.api.inputs import StudyInput, study_input
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
        the one in the package that was trained on simulated images only; None is the default of
        `ulna predict`.
    engine : str or EngineSettings
        Inference engine and precision, as "onnxruntime:fp32" or "openvino:bf16:2". "auto" chooses
        the fastest one installed that is accurate on the processor; see docs/engines.md.
    cascade : bool
        Skip the later networks where the first are confident (docs/cascade.md).

    Returns
    -------
    Reader

    Raises
    ------
    BundleError
        If the folder is no bundle, or one of its files was changed.
    ConfigError
        For an engine that is not installed, or a bundle without a cascade.

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
    """A loaded bundle, created by `ulna.load`.

    It can be pickled; the other process loads the bundle from its folder again. A reader can be
    used from several threads.
    """

    def __init__(self, bundle: Path, engine: EngineSettings, cascade: bool = False) -> None:
        predictor = Predictor.load(bundle, engine)
        self._predictor = predictor.with_cascade() if cascade else predictor
        self._arguments = (bundle.resolve(), engine, cascade)

    def __reduce__(self) -> tuple[Any, ...]:
        return Reader, self._arguments

    def __repr__(self) -> str:
        manifest = self.manifest
        parts = ", ".join(p.value.lower() for p in manifest.body_parts)
        return (
            f"<Reader {manifest.name!r}: {len(manifest.experts)} networks, {parts}; abnormal means "
            f"{manifest.abnormal_means}; {self._predictor.engine}>"
        )

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest: input, body parts, thresholds, recipe, training data."""
        return self._predictor.manifest

    @property
    def predictor(self) -> Predictor:
        """The predictor of `ulna.runtime` behind this reader."""
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
        """Predict for one study: body part, probability that it is abnormal, findings, confidence.

        Parameters
        ----------
        source : path, list of paths, array, list of arrays, Radiograph or Study
            The image, or all views of one examination. A path is a PNG, JPEG, TIFF or DICOM file,
            or a folder that holds one study. An array is (H, W), of uint8, uint16 or floats in [0,
            1].
        body_part : BodyPart or str, optional
            What the images show, as "WRIST". By default the DICOM header names it, or else it is
            recognised from the pixels.
        photometric : {"MONOCHROME2", "MONOCHROME1"}
            For arrays: whether bones have high or low values (DICOM 0028,0004). Files contain it.
        operating_point : str, optional
            One of the bundle's thresholds by name, as "sensitive"; by default the bundle's own.
        recognise : bool
            Recognise the body part from the pixels even where the data name it.

        Returns
        -------
        Answer

        Raises
        ------
        ImageError
            If no view can be read.
        DatasetError
            For a folder without images.
        ConfigError
            For several studies, or a body part or operating point that the bundle does not know.

        Examples
        --------
        >>> import ulna
        >>> reader = ulna.load("demonstration")
        >>> answer = reader.predict("image.png", body_part="WRIST")
        >>> answer.body_part.value
        'WRIST'
        """
        _check_body_part(body_part, recognise)
        inputs = study_input(source, _part(body_part), photometric)
        routing: Routing = "recognise" if recognise else "given"
        if not inputs.radiographs:
            prediction = self._predictor.predict(inputs.study, operating_point, routing)
            return Answer.of(prediction, self._limit)
        images, part = inputs.radiographs, inputs.study.body_part
        if recognise:  # ignore the body part in the images too
            images, part = tuple(replace(i, body_part=None) for i in images), None
        prediction = self._predictor.predict_radiographs(images, part, operating_point)
        return Answer.of(prediction, self._limit, inputs.radiographs)

    def predict_each(
        self,
        sources: Path | str | Iterable[Any],
        *,
        body_part: Part = None,
        operating_point: str | None = None,
        recognise: bool = False,
    ) -> Iterator[Answer | UlnaError]:
        """Predict for many studies, one after the other; an error does not end the iteration.

        Parameters
        ----------
        sources : path, or iterable of what `predict` takes
            A path is a data folder (MURA, phantoms), a table (.csv), or any folder, whose images
            are grouped to studies as by `ulna predict`. In an iterable each entry is a study.
        body_part, operating_point, recognise
            As for `predict`.

        Yields
        ------
        Answer or UlnaError
            In order. A study without an answer yields the error that `predict` would raise, with
            the entry of `sources` that it is about as its attribute `source`.

        Raises
        ------
        ConfigError, DatasetError, ImageError
            Before the first study, if no study could be predicted.

        Examples
        --------
        >>> import ulna
        >>> reader = ulna.load("demonstration")
        >>> [type(a).__name__ for a in reader.predict_each(["image.png", "missing.png"])]
        ['Answer', 'ImageError']
        """
        from ulna.runtime.request import check_settings

        _check_body_part(body_part, recognise)
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
        """Compute features of images, for scikit-learn or a search for similar images.

        Parameters
        ----------
        sources : sequence of N paths, arrays or Radiographs
            One image each.
        photometric : {"MONOCHROME2", "MONOCHROME1"}
            As for `predict`.
        experts : sequence of str, optional
            Names of the networks whose features are returned; by default all.

        Returns
        -------
        (N, D) float32
            For each network the means over all cells of its encoder's stages, concatenated in the
            order of `manifest.experts` (or of `experts`).

        Raises
        ------
        ImageError
            For an image that cannot be read, since a missing row would shift all others.
        ConfigError
            For unknown networks, or networks that give no features.

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
        rows = [self._features(study_input(s, None, photometric), names) for s in sources]
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
                error.source = source
                yield error

    def _features(self, inputs: StudyInput, names: Sequence[str]) -> Array:
        study = inputs.study
        if len(study.images) != 1:
            raise ConfigError(
                f"{study.key}: {len(study.images)} views: expected one image at a time"
            )
        if inputs.radiographs:
            (image,) = self._predictor.outputs_of(inputs.radiographs)
        else:
            (image,) = self._predictor.outputs(study).images
        return np.concatenate([image.experts[n].features for n in names]).astype(np.float32)


def _check_body_part(body_part: Part, recognise: bool) -> None:
    if recognise and body_part is not None:
        raise ConfigError("recognise=True with a body_part: expected one of them")


def _part(body_part: Part) -> BodyPart | None:
    return BodyPart.parse(body_part) if isinstance(body_part, str) else body_part


def _indexed(path: Path) -> list[Study]:
    from ulna.datasets import index_paths

    return index_paths([path])
