"""Training from Python: a run, its bundle, its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ulna.api.expert import load_expert
from ulna.api.reader import Reader, load
from ulna.api.recipes import recipe as chosen_recipe
from ulna.api.scores import evaluate
from ulna.errors import ConfigError

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.config.recipe import Recipe, Weights
    from ulna.experiments.given_data import Data
    from ulna.experiments.progress import Progress
    from ulna.models.expert import Expert


def train(
    data: Data,
    recipe: Recipe | Path | str = "demo",
    *,
    out: Path | str,
    encoders: Sequence[str] | str | None = None,
    set: Mapping[str, Any] | Sequence[str] = (),
    initial: Sequence[str] | str = (),
    devices: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train the experts of a recipe, as `ulna train` does.

    Parameters
    ----------
    data : path or sequence of Study
        Studies that the data set holds out itself ('valid', 'test') are left alone; of the rest
        parts are set aside by patient as the recipe's `fractions` say.
    recipe : Recipe, name or path of a JSON file
        See `ulna.recipe`, which also explains `encoders`, `set` and `initial`.
    out : path
        The run's folder.
    devices : int
        Processes that share every batch, one for each GPU or all on the CPU. A script that wants
        several calls this below ``if __name__ == "__main__":``.
    resume : bool
        Go on with the run in `out`, if there is one; without it a folder that holds a run is an
        error.
    progress : callable, optional
        Called with (stage, done, all).

    Returns
    -------
    Run

    Raises
    ------
    ConfigError
        For settings that exclude each other, or a folder of another run.
    DatasetError
        For data that cannot teach: nothing labelled, one class only.
    TrainingError, WeightsError
        Where training fails, or initial weights cannot be had.
    DependencyError
        Without torch (`pip install 'ulna[train]'`).

    Examples
    --------
    >>> import ulna
    >>> run = ulna.train("phantoms", "tiny.json", out="runs/own", resume=True)
    >>> bundle = run.export()
    >>> fitted = run.calibrate()
    >>> 0 <= run.reader().predict("image.png").probability <= 1
    True
    """
    from ulna.experiments import train as train_experts

    wanted = chosen_recipe(recipe, encoders=encoders, set=set, initial=initial)
    folder = train_experts(
        data, wanted, Path(out), devices=devices, resume=resume, progress=progress
    )
    return Run(folder, data)


class Run:
    """A trained run in its folder.

    Parameters
    ----------
    folder : path
        Of `ulna train`, or of `ulna.train`.
    data : path or sequence of Study
        What it was trained on: `calibrate` and `evaluate` need it.

    Examples
    --------
    >>> import ulna
    >>> ulna.Run("runs/first", "phantoms").recipe.experts[0].name
    'cnn'
    """

    def __init__(self, folder: Path | str, data: Data) -> None:
        self.folder = Path(folder)
        self.data = data
        if not (self.folder / "recipe.json").is_file():
            raise ConfigError(f"{folder}: no recipe.json: expected the folder of a run")

    def __repr__(self) -> str:
        names = ", ".join(e.name for e in self.recipe.experts)
        return f"<Run {str(self.folder)!r}: {self.recipe.name}, experts {names}>"

    @property
    def recipe(self) -> Recipe:
        """All settings that it was trained with."""
        from ulna.config.codec import read_json
        from ulna.config.recipe import Recipe

        return read_json(Recipe, self.folder / "recipe.json")

    @property
    def bundle(self) -> Path:
        """Where `export` writes the bundle: `folder / "bundle"`."""
        return self.folder / "bundle"

    @property
    def split(self) -> dict[str, list[str]]:
        """Study keys by part: train, tune, calibration and perhaps test."""
        from ulna.experiments.held_out import run_split

        return run_split(self.folder)

    def expert(self, name: str = "") -> Expert:
        """One of its experts as a torch module: see `ulna.load_expert`."""
        return load_expert(self.folder, name)

    def export(self, *, weights: Weights | None = None) -> ModelBundle:
        """Write the bundle, as `ulna export` does: one ONNX graph for each expert, a manifest.

        weights: 'float32' or 'float16' (half the size; arithmetic stays in float32); the recipe's
        without it. The bundle is not calibrated yet. Raises ConfigError, WeightsError, BundleError.
        """
        from ulna.export import export_bundle

        return export_bundle(self.folder, self.bundle, weights=weights)

    def calibrate(
        self, *, disagreement: float = 0.01, outliers: Sequence[Data] = ()
    ) -> ModelBundle:
        """Fit fusion, temperatures and thresholds of the bundle, as `ulna calibrate` does.

        On the calibration part alone, which no expert has learned from. disagreement: of a cascade,
        the share of studies that may change side. outliers: images of other regions of the body,
        to be refused. Raises ConfigError where `data` are not those of the run.
        """
        from ulna.experiments import calibrate

        return calibrate(
            self.bundle, self.folder, self.data, disagreement=disagreement, outliers=outliers
        )

    def evaluate(
        self,
        data: Data | None = None,
        *,
        out: Path | str | None = None,
        split: Literal["valid", "all"] | None = None,
    ) -> Mapping[str, Any]:
        """Score the bundle, as `ulna evaluate` does: see `ulna.evaluate`.

        data: the run's own without it, of which those count that it has never used.
        """
        wanted = self.data if data is None else data
        return evaluate(self.bundle, wanted, out=out, split=split, run=self.folder)

    def reader(self) -> Reader:
        """The bundle, loaded: see `ulna.load`."""
        return load(self.bundle)
