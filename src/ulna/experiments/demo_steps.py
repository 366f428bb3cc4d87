"""The steps of `ulna demo`: each is done once, and a stopped demo goes on at the first undone."""

from __future__ import annotations

import json
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
from ulna.runtime.pictures import folder_name, write_heat_maps
from ulna.training.quiet import quiet_fabric
from ulna.types import BodyPart, Study

PHANTOM_STUDIES = 1200
EXAMINED_STUDIES = 36
"""Whose maps are examined: 12 left the verdict open; about a minute of work."""
_PICTURED_PER_PART = 4


@dataclass(frozen=True)
class DemoSettings:
    """All that decides a demo's result; saved in its folder as demo.json.

    data: folder or table, '' for phantoms. phantoms: None where `data` is given.
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
        """From the command line's options. Raises ConfigError where they contradict."""
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
            raise ConfigError("--studies counts phantoms: leave it out with --data")
        return cls(str(data.resolve()), None, recipe, test_share)


@dataclass(frozen=True)
class DemoFolder:
    """Where a demo puts what it makes."""

    out: Path
    settings: DemoSettings

    @classmethod
    def open(cls, out: Path, settings: DemoSettings) -> DemoFolder:
        """A new folder, or the same demo's. Raises ConfigError for a folder of anything else."""
        saved = out / "demo.json"
        if saved.is_file():
            if to_json(read_json(DemoSettings, saved)) != to_json(settings):
                raise ConfigError(
                    f"{out} holds a demo of other settings: give another --out, or delete it"
                )
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out} is there and is no demo: give another --out")
        out.mkdir(parents=True, exist_ok=True)
        write_json(settings, saved)
        return cls(out, settings)

    @property
    def data(self) -> Path:
        """The data trained on: the user's or the phantoms."""
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
        """What `ulna examine` would write; absent where no finding's place is known."""
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
        """In the order they were done. Raises ConfigError for a damaged steps.json."""
        record = self.out / "steps.json"
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise ConfigError(
                f"{record}: damaged ({error}): delete it to do every step again"
            ) from None
        return [str(name) for name in known] if isinstance(known, list) else []

    def run_steps(self, report: Progress) -> None:
        """Do, in order, the first step that is not done and all after it."""
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
            steps[name](report)
            done.append(name)
            write_json(done, record)

    def studies(self) -> list[Study]:
        """All studies of the data."""
        return index_data(self.data)

    def _make_phantoms(self, report: Progress) -> None:
        config = self.settings.phantoms
        if config is None:
            return
        from ulna.phantom import write_phantoms

        # The folder's name is in the CSVs, so it is made under its own name, then moved.
        partial = self.out / "unfinished" / "phantoms"
        shutil.rmtree(partial.parent, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        partial.parent.mkdir()
        write_phantoms(partial, config, progress=lambda d, n: report("phantoms", d, n))
        partial.rename(self.data)
        partial.parent.rmdir()

    def _train(self, report: Progress) -> None:
        from ulna.training import DataSource, train_run

        quiet_fabric()
        studies = self.studies()
        recipe = _restricted(self.settings.recipe, studies)
        recipe = with_test_part(recipe, studies, self.settings.test_share)
        source = DataSource(data_kind(self.data), self.data.name)
        train_run(recipe, studies, self.run, source, progress=report)

    def _export(self, report: Progress) -> None:
        from ulna.export import export_bundle

        report("export", 0, 1)
        shutil.rmtree(self.bundle, ignore_errors=True)
        export_bundle(self.run, self.bundle)
        report("export", 1, 1)

    def _calibrate(self, report: Progress) -> None:
        from ulna.calibration import calibrate_bundle

        studies = calibration_studies(self.studies(), self.run)
        calibrate_bundle(self.bundle, studies, progress=lambda d, n: report("calibrate", d, n))

    def _test_studies(self) -> tuple[list[Study], str]:
        parts = read_json(Recipe, self.run / "recipe.json").body_parts
        known = [s for s in self.studies() if s.body_part in parts]
        return test_studies(known, "", self.run)

    def _examine(self, report: Progress) -> None:
        from ulna.attribution.examination import ExaminationPlan, examine
        from ulna.report.writers import figure_writer

        studies, words = self._test_studies()
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
                report,
            )
        except DatasetError as error:  # data without masks or boxes
            warnings.warn(f"heat maps not examined: {error}", DatasetWarning, stacklevel=2)
            return
        examination_receipt(self.examination, self.data, words, studies, examined)

    def _evaluate(self, report: Progress) -> None:
        from ulna.evaluation import evaluate
        from ulna.report.sections.folders import read_included
        from ulna.report.writers import report_including

        studies, words = self._test_studies()
        included = read_included([self.examination] if self.examination.is_dir() else [])
        evaluate(
            self.bundle,
            studies,
            self.evaluation,
            report=report_including(included),
            progress=lambda d, n: report("evaluate", d, n),
        )
        evaluation_receipt(self.evaluation, self.data, words, studies, included)

    def _draw_heat_maps(self, report: Progress) -> None:
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
            report("heat maps", number, len(chosen))

    def _place_report(self, report: Progress) -> None:
        shutil.copyfile(self.evaluation / "report.html", self.report)


def extras_of(recipe: Recipe) -> tuple[str, ...]:
    """The optional packages of weights that the experts of `recipe` start from.

    A demo asks for them before its phantoms are drawn, and fetches nothing that they hold.
    """
    from ulna.models.imagenet import PACKAGES

    begun = (e.encoder for e in recipe.experts if e.initial.kind == "imagenet")
    started = {encoder.partition(".")[0] for encoder in begun}
    return ("imagenet",) if started & set(PACKAGES) else ()


def _restricted(recipe: Recipe, studies: list[Study]) -> Recipe:
    """`recipe` for the body parts that `studies` hold; of data with others only, those."""
    there = {s.body_part for s in studies if s.abnormal is not None and s.body_part}
    wanted = tuple(p for p in recipe.body_parts if p in there) or tuple(sorted(there))
    return replace(recipe, body_parts=wanted)


def _first_of_each(studies: list[Study]) -> list[Study]:
    """A few studies of each body part and label."""
    taken: Counter[tuple[BodyPart | None, bool | None]] = Counter()
    chosen = []
    for study in studies:
        group = study.body_part, study.abnormal
        if taken[group] < _PICTURED_PER_PART // 2:
            taken[group] += 1
            chosen.append(study)
    return chosen
