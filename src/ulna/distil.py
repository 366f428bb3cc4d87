"""`distil`: a bundle's answers and maps taught to one small network, which must come near to them.

Asks the teacher, trains the student, exports, calibrates and examines it; every step that is done
is not done again, so a killed call goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ulna.bundle import (
    TEACHER,
    Distilled,
    FusionParameters,
    ModelBundle,
    StudentParity,
    check_replaceable,
    read_bundle,
    replace_parity,
)
from ulna.calibration import calibrate_bundle
from ulna.calibration.calibrate import calibrate_as
from ulna.compress.gate_studies import gate_studies
from ulna.compress.student import bundle_bytes, compare_student
from ulna.config.codec import read_json, write_json
from ulna.config.engine import PORTABLE, EngineSettings
from ulna.config.recipe import Recipe
from ulna.digest import lines_sha256
from ulna.errors import BundleError, ConfigError
from ulna.export import export_bundle
from ulna.runtime import Predictor
from ulna.training import DataSource, train_run
from ulna.training.ranks.launch import under_torchrun
from ulna.training.run import Begun, begin_run
from ulna.training.source import TeacherData
from ulna.training.teacher.collect import collect_teacher_answers
from ulna.types import Study

Progress = Callable[[str, int, int], None]
REFUSED = "refused"
"""Where in the run's folder a student stays that the gate refuses."""


@dataclass(frozen=True)
class Proof:
    """What students of the same recipe on folds have shown (`ulna distil --folds`).

    parity: out of fold. fusion: temperatures and thresholds, fitted on out-of-fold answers. data:
    hash of what the folds were dealt of (`DataFingerprint.sha256`).
    """

    parity: StudentParity
    fusion: FusionParameters
    data: str


@dataclass(frozen=True)
class Lesson:
    """What a student is taught, beside its recipe.

    studies: of the data, labelled ones among them; those that they hold out themselves (valid,
    test) teach nothing. source: of these. split: study keys by part, of the teacher's own run where
    that is known. beside: without labels (`datasets.bare.without_labels`). gate: labelled studies
    that neither has learned from; empty for those that the data or the run hold out. engine: that
    the teacher answers the training images in. devices: processes that train, as in `train_run`.
    elsewhere: tables of images of other regions of the body, which the student learns to refuse.
    """

    studies: Sequence[Study]
    source: DataSource
    split: Mapping[str, Sequence[str]] | None = None
    beside: tuple[Study, ...] = ()
    gate: Sequence[Study] = ()
    engine: EngineSettings = PORTABLE
    devices: int = 1
    outliers: Sequence[Sequence[Study]] = ()


def distil(
    teacher_path: Path,
    recipe: Recipe,
    lesson: Lesson,
    out: Path,
    *,
    proof: Proof | None = None,
    accept: bool = False,
    progress: Progress | None = None,
) -> tuple[ModelBundle, StudentParity]:
    """Teach the bundle at `teacher_path` to the student of `recipe`; the run and its bundle.

    Body parts, categories and operating point become those of the teacher. `out` holds the run,
    the teacher's answers (`out/teacher`) and `out/bundle`, calibrated on the run's calibration
    part, whose manifest names the teacher and holds the gate's figures: AUROC, decisions and maps
    beside the teacher's on studies that neither learned from. A student whose AUROC lies more than
    0.010 below, or whose bundle weighs more than 8 MB, stays in `out/refused` (BundleError), unless
    `accept`. proof: of the same recipe on folds, which then stands in for held-out studies and
    calibration, so that every image may teach. Raises ConfigError for a recipe that is no
    student's, for a folder of another student and without enough studies to examine it on;
    BundleError, DatasetError, TrainingError, WeightsError. Example::

        recipe = find_recipe("student")
        lesson = Lesson(index_data("images.csv"), DataSource("table", "images.csv"))
        bundle, parity = distil(Path("hybrid/bundle"), recipe, lesson, Path("runs/student"))
        parity.difference  # of AUROC: value and 95 % interval
    """
    tell = progress or _silent
    teacher = Predictor.load(teacher_path, lesson.engine)
    recipe = student_recipe(recipe, teacher)
    candidate, accepted = out / REFUSED, out / "bundle"
    for folder in (candidate, accepted):
        check_replaceable(folder)
    if proof is not None:
        _check_proof(proof, teacher)
        recipe = replace(recipe, fractions={"train": 1.0, "tune": 0.0, "calibration": 0.0})
        lesson = replace(lesson, split=None)
    begun, gate = _begun(teacher, recipe, lesson, out, gated=proof is None)
    teach(teacher, begun, lesson, out, tell)
    bundle = _exported(out, begun.parts, proof, lesson.outliers, tell)
    if proof is not None:
        parity = replace(proof.parity, size=bundle_bytes(candidate), forced=False)
    else:
        one, other = Predictor.load(teacher_path), Predictor.load(candidate)
        parity = compare_student(one, other, *gate, progress=partial(tell, "student and teacher"))
    parity = replace(parity, forced=accept and not parity.accepted)
    bundle = replace_parity(bundle, parity)
    if parity.refusals and not accept:
        raise BundleError(
            f"student refused, left in {candidate}: {'; '.join(parity.refusals)}: teach it longer "
            "or on more images (--also), take a larger input or encoder, or let it through with "
            "--accept"
        )
    return _moved(candidate, accepted), parity


def _begun(
    teacher: Predictor, recipe: Recipe, lesson: Lesson, out: Path, gated: bool
) -> tuple[Begun, tuple[list[Study], str]]:
    """The run, begun, and what its student will be examined on.

    A new run that could not be examined is not begun: the next call may have other settings.
    """
    new = not (out / "recipe.json").is_file()
    begun = begin_run(recipe, lesson.studies, out, lesson.source, lesson.split)
    try:
        gate: tuple[list[Study], str] = ([], "")
        if gated:
            gate = gate_studies(lesson.gate, lesson.studies, begun.parts, teacher.manifest)
    except ConfigError:
        for name in ("recipe.json", "split.json", "data.json") if new else ():
            (out / name).unlink(missing_ok=True)
        raise
    record(teacher, lesson.beside, out)
    return begun, gate


def student_recipe(recipe: Recipe, teacher: Predictor) -> Recipe:
    """`recipe` with the teacher's body parts, categories, operating point and cut of the image.

    Raises ConfigError for one that is no student's.
    """
    what = f"recipe {recipe.name}"
    if not recipe.distillation.requested:
        raise ConfigError(
            f"{what}: learns nothing from a teacher: expected a student's recipe, as 'student', or "
            "settings like --set distillation.logits=1 --set distillation.map=0.5"
        )
    if len(recipe.experts) != 1:
        raise ConfigError(
            f"{what}: {len(recipe.experts)} experts: expected one, which answers in one pass"
        )
    (expert,) = recipe.experts
    if expert.crop_share or expert.fit_heads:
        raise ConfigError(
            f"{what}: crop_share {expert.crop_share}, fit_heads {expert.fit_heads}: a teacher "
            "answers whole images, and heads fitted to labels forget it: expected 0 and false"
        )
    manifest = teacher.manifest
    return replace(
        recipe,
        body_parts=manifest.body_parts,
        categories=manifest.categories,
        operating_point=manifest.recipe.operating_point,
        abnormal_means=manifest.recipe.abnormal_means,
        # Both maps must lie over the same square of the image.
        input_spec=replace(recipe.input_spec, trim_borders=manifest.input_spec.trim_borders),
    )


def _check_proof(proof: Proof, teacher: Predictor) -> None:
    """ConfigError where the students on folds had other teachers than this one's experts."""
    manifest = teacher.manifest
    if set(proof.fusion.weights) != set(manifest.body_parts):
        raise ConfigError(
            f"the students on folds know {', '.join(proof.fusion.weights)}, this teacher "
            f"{', '.join(manifest.body_parts)}: expected students of the same teachers' folds"
        )
    if proof.data != manifest.data.sha256:
        raise ConfigError(
            f"the students on folds have shown nothing of {teacher.bundle.path}, which has learned "
            "from other studies than their teachers: expected the bundle of the same folds"
        )


def record(teacher: Predictor, beside: Sequence[Study], out: Path) -> None:
    """Write down in the run `out` who teaches. Raises ConfigError where it was another before."""
    manifest = teacher.manifest
    images = [f"{s.key}|{i.path.name}" for s in beside for i in s.images]
    own = Distilled(
        teacher=teacher.bundle.hash,
        name=manifest.name,
        engine=str(replace(teacher.engine, threads=0)),
        beside=lines_sha256(images) if images else "",
        demonstration=manifest.demonstration,
    )
    file = out / TEACHER
    if file.is_file():
        before = read_json(Distilled, file)
        if before != own:
            raise ConfigError(
                f"{out} holds a student of the teacher {before.name!r} ({before.teacher[:12]}, "
                f"{before.engine}), or with other images beside: give another --out"
            )
        return
    write_json(own, file)


def teach(teacher: Predictor, begun: Begun, lesson: Lesson, out: Path, tell: Progress) -> None:
    """Ask the teacher about all training images, and train the student on its answers.

    Raises ConfigError under torchrun, whose other processes would ask and write the same.
    """
    if under_torchrun():
        raise ConfigError(
            "a student's run under torchrun: only its training is for several processes: start it "
            "without torchrun, with --devices"
        )
    requested = [*begun.parts["train"], *lesson.beside]
    answers = collect_teacher_answers(teacher, requested, out / "teacher", tell)
    source = replace(lesson.source, teaching=TeacherData(answers, lesson.beside))
    train_run(begun.recipe, begun.side, out, source, lesson.devices, tell)


def _exported(
    run: Path,
    studies: Mapping[str, Sequence[Study]],
    proof: Proof | None,
    outliers: Sequence[Sequence[Study]],
    tell: Progress,
) -> ModelBundle:
    """The student's bundle, calibrated if there is anything to calibrate it by."""
    out, calibrating = run / REFUSED, partial(tell, "calibrate")
    bundle = export_bundle(run, out, progress=partial(tell, "export"))
    if proof is not None:
        (expert,) = bundle.manifest.experts
        weights = {part: {expert.name: 1.0} for part in bundle.manifest.body_parts}
        fusion = replace(proof.fusion, weights=weights)
        return calibrate_as(out, fusion, studies["train"], calibrating, outliers)
    if calibration := studies.get("calibration"):
        return calibrate_bundle(out, calibration, calibrating, outliers=outliers)
    return bundle


def _moved(candidate: Path, out: Path) -> ModelBundle:
    """The accepted bundle at its place."""
    if out.exists():
        shutil.rmtree(out)
    candidate.rename(out)
    return read_bundle(out)


def _silent(_stage: str, _done: int, _all: int) -> None:
    pass
