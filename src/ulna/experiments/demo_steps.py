"""The steps of `ulna demo`: a demo that was stopped continues at the first unfinished step."""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from ulna.config.bounds import OpenShare, check_fields
from ulna.config.codec import read_json, to_json, write_json
from ulna.config.phantom import PHANTOM_PARTS, PhantomConfig
from ulna.config.recipe import Recipe
from ulna.datasets import data_kind, index_data
from ulna.errors import ConfigError, DatasetError, DatasetWarning, UlnaError, UlnaWarning
from ulna.experiments.held_out import calibration_studies, test_studies, with_test_part
from ulna.experiments.progress import Progress
from ulna.experiments.receipts import evaluation_receipt, examination_receipt
from ulna.json_text import parse_json
from ulna.runtime.pictures import folder_name, write_heat_maps
from ulna.training.quiet import quiet_fabric
from ulna.types import BodyPart, Study

PHANTOM_STUDIES = 1200
EXAMINED_STUDIES = 36
"""Studies whose maps are examined, in about a minute; with 12 the verdict was undecided."""
_PICTURED_PER_PART = 4


@dataclass(frozen=True)
class DemoSettings:
    """All settings that decide a demo's result; saved in its folder as demo.json.

    data: folder or table, '' for phantoms. phantoms: None with data of one's own.
    """

    data: str
    phantoms: PhantomConfig | None
    recipe: Recipe
    test_share: OpenShare

    def __post_init__(self) -> None:
        check_fields(self, "demo")

    @classmethod
    def of(
        cls, data: Path | None, recipe: Recipe, studies: int | None, test_share: float
    ) -> DemoSettings:
        """Return the settings for the command's options; ConfigError where they contradict."""
        if data is None:
            count = studies or PHANTOM_STUDIES
            phantoms = PhantomConfig(
                studies=count,
                seed=recipe.seed,
                parts=tuple(p for p in recipe.body_parts if p in PHANTOM_PARTS),
                size=recipe.input_spec.size,
                valid_share=test_share,
            )
            return cls("", phantoms, replace(recipe, body_parts=phantoms.parts), test_share)
        if studies is not None:
            raise ConfigError("--studies with --data: expected one of them; it counts phantoms")
        return cls(str(data.resolve()), None, recipe, test_share)


@dataclass(frozen=True)
class DemoFolder:
    """The folder of a demo, and its steps."""

    out: Path
    settings: DemoSettings

    @classmethod
    def open(cls, out: Path, settings: DemoSettings) -> DemoFolder:
        """Open a new folder, or the one of the same demo; else raise ConfigError."""
        saved = out / "demo.json"
        if saved.is_file():
            if to_json(read_json(DemoSettings, saved)) != to_json(settings):
                raise ConfigError(
                    f"{out} holds a demo with other settings: give another --out, or delete it"
                )
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out} exists and is no demo: give another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(settings, saved)
        return cls(out, settings)

    @property
    def data(self) -> Path:
        """The training data: the user's or the phantoms."""
        return Path(self.settings.data) if self.settings.data else self.out / "phantoms"

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.out / "run"

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.out / "bundle"

    @property
    def evaluation(self) -> Path:
        """Metrics, predictions and the report as `ulna evaluate` writes them."""
        return self.out / "evaluation"

    @property
    def examination(self) -> Path:
        """The results of `ulna examine`; absent where no finding's place is known."""
        return self.out / "examination"

    @property
    def heat_maps(self) -> Path:
        """Pictures of some of the test studies."""
        return self.out / "heat_maps"

    @property
    def report(self) -> Path:
        """The report, at the top of the folder."""
        return self.out / "report.html"

    def _steps_done(self) -> list[str]:
        """Return the finished steps in order. Raises ConfigError for a damaged steps.json."""
        record = self.out / "steps.json"
        try:
            known = parse_json(record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise ConfigError(
                f"{record}: damaged ({error}): delete it to do every step again"
            ) from None
        return [str(name) for name in known] if isinstance(known, list) else []

    def run_steps(self, progress: Progress) -> None:
        """Run the first unfinished step and all after it, in order."""
        steps: dict[str, Callable[[Progress], None]] = {
            "phantoms": self._make_phantoms,
            "train": self._train,
            "export": self._export,
            "calibrate": self._calibrate,
            "examine": self._examine,  # before evaluation: the verdict changes the bundle's hash
            "evaluate": self._evaluate,
            "heat maps": self._draw_heat_maps,
            "report": self._place_report,
        }
        record = self.out / "steps.json"
        known = self._steps_done()
        done = list(takewhile(known.__contains__, steps))
        for name in list(steps)[len(done) :]:
            steps[name](progress)
            done.append(name)
            write_json(done, record)

    def studies(self) -> list[Study]:
        """All studies of the data."""
        return index_data(self.data)

    def _make_phantoms(self, progress: Progress) -> None:
        config = self.settings.phantoms
        if config is None:
            return
        from ulna.phantom import write_phantoms

        # The folder's name is in the CSVs, so it is written under this name and then moved.
        partial = self.out / "unfinished" / "phantoms"
        shutil.rmtree(partial.parent, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        partial.parent.mkdir()
        write_phantoms(partial, config, progress=lambda d, n: progress("phantoms", d, n))
        partial.rename(self.data)
        partial.parent.rmdir()

    def _train(self, progress: Progress) -> None:
        from ulna.training import DataSource, train_run

        quiet_fabric()
        studies = self.studies()
        recipe = _restricted(self.settings.recipe, studies)
        recipe = with_test_part(recipe, studies, self.settings.test_share)
        source = DataSource(data_kind(self.data), self.data.name)
        train_run(recipe, studies, self.run, source, progress=progress)

    def _export(self, progress: Progress) -> None:
        from ulna.export import export_bundle

        progress("export", 0, 1)
        shutil.rmtree(self.bundle, ignore_errors=True)
        export_bundle(self.run, self.bundle)
        progress("export", 1, 1)

    def _calibrate(self, progress: Progress) -> None:
        from ulna.calibration import calibrate_bundle

        studies = calibration_studies(self.studies(), self.run)
        calibrate_bundle(self.bundle, studies, progress=lambda d, n: progress("calibrate", d, n))

    def _test_studies(self) -> tuple[list[Study], str]:
        parts = read_json(Recipe, self.run / "recipe.json").body_parts
        known = [s for s in self.studies() if s.body_part in parts]
        return test_studies(known, "", self.run)

    def _examine(self, progress: Progress) -> None:
        from ulna.attribution.examination import ExaminationPlan, examine
        from ulna.report.writers import figure_writer

        studies, description = self._test_studies()
        shutil.rmtree(self.examination, ignore_errors=True)
        plan = ExaminationPlan(EXAMINED_STUDIES)
        try:
            examined, _ = examine(
                self.bundle,
                studies,
                self.examination,
                plan,
                self.data.name,
                figure_writer(),
                progress,
            )
        except DatasetError as error:  # data without masks or boxes
            warnings.warn(f"heat maps not examined: {error}", DatasetWarning, stacklevel=2)
            return
        examination_receipt(self.examination, self.data, description, studies, examined)

    def _evaluate(self, progress: Progress) -> None:
        from ulna.evaluation import evaluate
        from ulna.report.sections.folders import read_included
        from ulna.report.writers import report_including

        studies, description = self._test_studies()
        included = read_included([self.examination] if self.examination.is_dir() else [])
        evaluate(
            self.bundle,
            studies,
            self.evaluation,
            report=report_including(included),
            progress=lambda d, n: progress("evaluate", d, n),
        )
        evaluation_receipt(self.evaluation, self.data, description, studies, included)

    def _draw_heat_maps(self, progress: Progress) -> None:
        from ulna.runtime import Predictor

        predictor = Predictor.load(self.bundle)
        chosen = _first_of_each(self._test_studies()[0])
        for number, study in enumerate(chosen, 1):
            try:
                answer = predictor.predict(study)
                folder = self.heat_maps / folder_name(answer)
                write_heat_maps(answer, folder, predictor.manifest.fusion.map_limit)
            except UlnaError as error:
                warnings.warn(f"no heat map of {study.key}: {error}", UlnaWarning, stacklevel=2)
            progress("heat maps", number, len(chosen))

    def _place_report(self, progress: Progress) -> None:
        shutil.copyfile(self.evaluation / "report.html", self.report)


def extras_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the extras with the initial weights of the recipe's experts.

    A demo checks them before it draws phantoms, and downloads none of the weights they contain.
    """
    from ulna.models.imagenet import PACKAGES

    encoders = {e.encoder.partition(".")[0] for e in recipe.experts if e.initial.kind == "imagenet"}
    return ("imagenet",) if encoders & set(PACKAGES) else ()


def _restricted(recipe: Recipe, studies: list[Study]) -> Recipe:
    """Return the recipe for the labelled body parts of the studies, its own where there are any."""
    present = {s.body_part for s in studies if s.abnormal is not None and s.body_part}
    parts = tuple(p for p in recipe.body_parts if p in present) or tuple(sorted(present))
    return replace(recipe, body_parts=parts)


def _first_of_each(studies: list[Study]) -> list[Study]:
    """Return a few studies of each body part and label."""
    taken: Counter[tuple[BodyPart | None, bool | None]] = Counter()
    chosen = []
    for study in studies:
        group = study.body_part, study.abnormal
        if taken[group] < _PICTURED_PER_PART // 2:
            taken[group] += 1
            chosen.append(study)
    return chosen
