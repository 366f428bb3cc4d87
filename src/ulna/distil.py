"""`distil`: train one small student on a teacher bundle's answers and maps, and test it.

Computes the teacher's answers, trains the student, exports, calibrates and examines it. Finished
steps are not repeated, so a killed call is resumed by the same call.
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
"""Subfolder of the run for a student that fails the acceptance test."""


@dataclass(frozen=True)
class Proof:
    """Results of students of the same recipe in cross-validation (`ulna distil --folds`).

    parity: out of fold. fusion: temperatures and thresholds, fitted on out-of-fold answers. data:
    hash of the studies in the folds (`DataFingerprint.sha256`).
    """

    parity: StudentParity
    fusion: FusionParameters
    data: str


@dataclass(frozen=True)
class DistillationInput:
    """Data and settings of a student's training in addition to its recipe.

    studies: including labelled ones; those that the data hold out (valid, test) are not used for
    training. source: of these. split: study keys by part, from the teacher's run if known. beside:
    studies without labels (`datasets.bare.without_labels`). gate: labelled studies that neither
    teacher nor student has learned from; if empty, those that the data or the run hold out. engine:
    of the teacher for the training images. devices: processes that train, as in `train_run`.
    outliers: tables of images of other regions of the body, which the student learns to refuse.
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
    inputs: DistillationInput,
    out: Path,
    *,
    proof: Proof | None = None,
    accept: bool = False,
    progress: Progress | None = None,
) -> tuple[ModelBundle, StudentParity]:
    """Train the student of `recipe` on the bundle at `teacher_path`; return bundle and parity.

    Body parts, categories and operating point become those of the teacher. `out` holds the run, the
    teacher's answers (`out/teacher`) and `out/bundle`, calibrated on the run's calibration part,
    whose manifest names the teacher and the figures of the acceptance test: AUROC, decisions and
    maps of both on studies that neither learned from. A student whose AUROC is more than 0.010
    lower, or whose bundle is larger than 8 MB, stays in `out/refused` (BundleError), unless
    `accept`. proof: results of the same recipe in cross-validation, which replace held-out studies
    and calibration, so that every image is used for training. Raises ConfigError for a recipe
    without distillation, for a folder of another student and without enough studies to examine it
    on; BundleError, DatasetError, TrainingError, WeightsError. Example::

        recipe = find_recipe("student")
        data = DistillationInput(index_data("images.csv"), DataSource("table", "images.csv"))
        bundle, parity = distil(Path("hybrid/bundle"), recipe, data, Path("runs/student"))
        parity.difference  # of AUROC: value and 95 % interval
    """
    progress = progress or _silent
    teacher = Predictor.load(teacher_path, inputs.engine)
    recipe = student_recipe(recipe, teacher)
    candidate, accepted = out / REFUSED, out / "bundle"
    for folder in (candidate, accepted):
        check_replaceable(folder)
    if proof is not None:
        _check_proof(proof, teacher)
        recipe = replace(recipe, fractions={"train": 1.0, "tune": 0.0, "calibration": 0.0})
        inputs = replace(inputs, split=None)
    begun, gate = _begun(teacher, recipe, inputs, out, gated=proof is None)
    teach(teacher, begun, inputs, out, progress)
    bundle = _exported(out, begun.parts, proof, inputs.outliers, progress)
    if proof is not None:
        parity = replace(proof.parity, size=bundle_bytes(candidate), forced=False)
    else:
        pair = Predictor.load(teacher_path), Predictor.load(candidate)
        parity = compare_student(*pair, *gate, progress=partial(progress, "student and teacher"))
    parity = replace(parity, forced=accept and not parity.accepted)
    bundle = replace_parity(bundle, parity)
    if parity.refusals and not accept:
        raise BundleError(
            f"student refused, left in {candidate}: {'; '.join(parity.refusals)}: teach it longer "
            "or on more images (--also), take a larger input or encoder, or accept it with "
            "--accept"
        )
    return _moved(candidate, accepted), parity


def _begun(
    teacher: Predictor, recipe: Recipe, inputs: DistillationInput, out: Path, gated: bool
) -> tuple[Begun, tuple[list[Study], str]]:
    """Begin the run, and return it with the studies for the acceptance test.

    A new run without such studies is not begun, so that the next call may have other settings.
    """
    new = not (out / "recipe.json").is_file()
    begun = begin_run(recipe, inputs.studies, out, inputs.source, inputs.split)
    try:
        gate: tuple[list[Study], str] = ([], "")
        if gated:
            gate = gate_studies(inputs.gate, inputs.studies, begun.parts, teacher.manifest)
    except ConfigError:
        for name in ("recipe.json", "split.json", "data.json") if new else ():
            (out / name).unlink(missing_ok=True)
        raise
    record(teacher, inputs.beside, out)
    return begun, gate


def student_recipe(recipe: Recipe, teacher: Predictor) -> Recipe:
    """Return `recipe` with the teacher's body parts, categories, operating point and trimming.

    Raises ConfigError for one without distillation.
    """
    subject = f"recipe {recipe.name}"
    if not recipe.distillation.requested:
        raise ConfigError(
            f"{subject}: learns nothing from a teacher: expected a recipe like 'student', or "
            "settings like --set distillation.logits=1 --set distillation.map=0.5"
        )
    if len(recipe.experts) != 1:
        raise ConfigError(
            f"{subject}: {len(recipe.experts)} experts: expected one, which answers in one pass"
        )
    (expert,) = recipe.experts
    if expert.crop_share or expert.fit_heads:
        raise ConfigError(
            f"{subject}: crop_share {expert.crop_share}, fit_heads {expert.fit_heads}: a teacher "
            "answers whole images, and heads fitted to labels forget it: expected 0 and false"
        )
    manifest = teacher.manifest
    return replace(
        recipe,
        body_parts=manifest.body_parts,
        categories=manifest.categories,
        operating_point=manifest.recipe.operating_point,
        abnormal_means=manifest.recipe.abnormal_means,
        # Both maps must cover the same square of the image.
        input_spec=replace(recipe.input_spec, trim_borders=manifest.input_spec.trim_borders),
    )


def _check_proof(proof: Proof, teacher: Predictor) -> None:
    """Raise ConfigError where the students on folds had other teachers than this one's experts."""
    manifest = teacher.manifest
    if set(proof.fusion.weights) != set(manifest.body_parts):
        raise ConfigError(
            f"the students on folds know {', '.join(proof.fusion.weights)}, this teacher "
            f"{', '.join(manifest.body_parts)}: expected students of the same teachers' folds"
        )
    if proof.data != manifest.data.sha256:
        raise ConfigError(
            f"the students on folds prove nothing about {teacher.bundle.path}, which was trained "
            "on other studies than their teachers: expected the bundle of the same folds"
        )


def record(teacher: Predictor, beside: Sequence[Study], out: Path) -> None:
    """Write the teacher into the run `out`. Raises ConfigError where it was another before."""
    manifest = teacher.manifest
    images = [f"{s.key}|{i.path.name}" for s in beside for i in s.images]
    distilled = Distilled(
        teacher=teacher.bundle.hash,
        name=manifest.name,
        engine=str(replace(teacher.engine, threads=0)),
        beside=lines_sha256(images) if images else "",
        demonstration=manifest.demonstration,
    )
    file = out / TEACHER
    if file.is_file():
        before = read_json(Distilled, file)
        if before != distilled:
            raise ConfigError(
                f"{out} holds a student of the teacher {before.name!r} ({before.teacher[:12]}, "
                f"{before.engine}), or with other unlabelled images: give another --out"
            )
        return
    write_json(distilled, file)


def teach(
    teacher: Predictor, begun: Begun, inputs: DistillationInput, out: Path, progress: Progress
) -> None:
    """Compute the teacher's answers for all training images, and train the student on them.

    Raises ConfigError under torchrun, where every process would compute the same answers.
    """
    if under_torchrun():
        raise ConfigError(
            "a student's run under torchrun: only its training is for several processes: start it "
            "without torchrun, with --devices"
        )
    training = [*begun.parts["train"], *inputs.beside]
    answers = collect_teacher_answers(teacher, training, out / "teacher", progress)
    source = replace(inputs.source, teaching=TeacherData(answers, inputs.beside))
    train_run(begun.recipe, begun.side, out, source, inputs.devices, progress)


def _exported(
    run: Path,
    studies: Mapping[str, Sequence[Study]],
    proof: Proof | None,
    outliers: Sequence[Sequence[Study]],
    progress: Progress,
) -> ModelBundle:
    """Return the student's bundle, calibrated if there is a calibration part."""
    out, calibrating = run / REFUSED, partial(progress, "calibrate")
    bundle = export_bundle(run, out, progress=partial(progress, "export"))
    if proof is not None:
        (expert,) = bundle.manifest.experts
        weights = {part: {expert.name: 1.0} for part in bundle.manifest.body_parts}
        fusion = replace(proof.fusion, weights=weights)
        return calibrate_as(out, fusion, studies["train"], calibrating, outliers)
    if calibration := studies.get("calibration"):
        return calibrate_bundle(out, calibration, calibrating, outliers=outliers)
    return bundle


def _moved(candidate: Path, out: Path) -> ModelBundle:
    """Move the accepted bundle to its place and return it."""
    if out.exists():
        shutil.rmtree(out)
    candidate.rename(out)
    return read_bundle(out)


def _silent(_stage: str, _done: int, _all: int) -> None:
    pass
