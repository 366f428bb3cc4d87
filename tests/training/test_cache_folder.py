"""One folder of decoded images, several processes: nobody takes away what another one reads."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.training.tiny import make_recipe

from ulna.config.input_spec import InputSpec
from ulna.errors import DatasetError, ImageWarning, TrainingError
from ulna.training import cache, cache_folder
from ulna.training.cache import TrainingImages, build_cache
from ulna.types import Study

SCRIPT = Path(__file__).parent / "cache_tiny.py"


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


@contextmanager
def _process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _images(studies: Sequence[Study]) -> Path:
    return studies[0].images[0].path.parent


def test_another_input_in_the_folder_leaves_a_live_map_alone(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """Both were one file, opened anew and emptied: the reader's mean went from 200 to 0."""
    first = build_cache(tiny_studies, make_recipe(), tmp_path)
    before = np.array(first.images)
    with _process(_images(tiny_studies), tmp_path, 6) as process:
        message, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "decode" in message
    np.testing.assert_array_equal(first.images, before)
    assert len(_entries(tmp_path)) == 2
    again = build_cache(tiny_studies, make_recipe(), tmp_path, _nothing_is_decoded)
    np.testing.assert_array_equal(again.images, before)


def _nothing_is_decoded(what: str, done: int, total: int) -> None:
    raise AssertionError(f"{what} {done}/{total}")


def test_of_two_processes_with_one_input_one_decodes_and_the_other_waits(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    gate, folder = tmp_path / "gate", tmp_path / "cache"
    arguments = (_images(tiny_studies), folder, 12, gate)
    with _process(*arguments) as first:
        assert first.stdout is not None and first.stdout.readline() == "decode\n"
        with _process(*arguments) as second:
            waiting = "wait for another run\n"
            assert second.stdout is not None and second.stdout.readline() == waiting
            gate.touch()
            late, _ = second.communicate(timeout=60)
        early, _ = first.communicate(timeout=60)
    assert late.startswith(waiting) and late.count("\n") == 2, late
    assert early.split("\n")[-2] == late.split("\n")[-2] and len(_entries(folder)) == 1


def test_a_kill_while_decoding_costs_nothing_but_the_time(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """Also where the next run has another input: what the dead one left is removed."""
    with _process(_images(tiny_studies), tmp_path, 12, tmp_path / "gate") as process:
        assert process.stdout is not None and process.stdout.readline() == "decode\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert [name[-8:] for name in _entries(tmp_path)] == [".partial"]
    build_cache(tiny_studies[:3], make_recipe(), tmp_path)
    assert [len(name) for name in _entries(tmp_path)] == [cache_folder.KEY_DIGITS]
    images = build_cache(tiny_studies[:12], make_recipe(), tmp_path)
    fresh = build_cache(tiny_studies[:12], make_recipe(), tmp_path / "other")
    np.testing.assert_array_equal(images.images, fresh.images)


def _with_broken(studies: Sequence[Study], folder: Path) -> list[Study]:
    """The same with an unreadable image as second study's first view, and one that is not there."""
    broken = folder / "broken.png"
    broken.write_bytes(b"no image")
    ref = studies[1].images[0]
    extra = (replace(ref, path=broken), replace(ref, path=folder / "missing.png"))
    return [replace(s, images=(*extra, *s.images)) if s is studies[1] else s for s in studies]


def test_a_bad_image_costs_no_copy_of_the_others(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    recipe = make_recipe(input_spec=InputSpec(size=512))
    whole = build_cache(tiny_studies, recipe, tmp_path / "whole")
    spoilt = _with_broken(tiny_studies, tmp_path)
    with pytest.warns(ImageWarning, match=r"2 of 38 images left out: .*broken\.png.*missing\.png"):
        build_cache(spoilt, recipe, tmp_path / "cache")
    tracemalloc.start()
    with pytest.warns(ImageWarning, match="2 of 38"):
        images = build_cache(spoilt, recipe, tmp_path / "cache", _nothing_is_decoded)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(images.images, np.memmap) and isinstance(images.masks, np.memmap)
    assert most < images.images.nbytes / 10
    for name in ("images", "masks", "study", "part", "abnormal", "categories", "has_mask"):
        np.testing.assert_array_equal(getattr(images, name), getattr(whole, name), name)


def test_a_full_disk_is_said_before_anything_is_lost(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(TrainingError, match=r"need .* GB .* free some space"):
            build_cache(tiny_studies, make_recipe(), tmp_path)
    assert not _entries(tmp_path)
    assert len(build_cache(tiny_studies, make_recipe(), tmp_path).images)


@pytest.mark.parametrize(("free", "message"), [(2**60, ""), (0, "free some space")])
def test_without_reservation_the_free_space_is_checked(
    free: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    file = tmp_path / "entry" / "images.npy"
    file.parent.mkdir()
    file.touch()
    with pytest.raises(TrainingError, match=message) if message else nullcontext():
        cache_folder.reserve(file, 1000)


@pytest.mark.parametrize("what", ["PIXELS_VERSION", "__version__"])
def test_images_of_another_version_are_decoded_anew(
    what: str, tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_cache(tiny_studies[:3], make_recipe(), tmp_path)
    monkeypatch.setattr(cache, what, "next")
    calls: list[str] = []
    build_cache(tiny_studies[:3], make_recipe(), tmp_path, lambda what, *_: calls.append(what))
    assert set(calls) == {"decode"} and len(_entries(tmp_path)) == 2


def _age(folder: Path, key: str) -> None:
    os.utime(folder / key / cache_folder.NOTE, (0, 0))


def test_old_entries_go_when_nobody_reads_them(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    def built(n: int) -> TrainingImages:
        return build_cache(tiny_studies[:n], make_recipe(), tmp_path)

    own = tmp_path / "own"
    own.mkdir()
    read, (key,) = built(2), _entries(tmp_path) - {"own"}
    _age(tmp_path, key)
    built(3)
    assert key in _entries(tmp_path), "it is read"
    del read
    built(4)
    assert key not in _entries(tmp_path), "nobody has opened it for a day"
    built(5)
    assert len(_entries(tmp_path)) == 4, "the last day's stay"
    (tmp_path / "images.npy").touch()
    built(6)
    assert own.is_dir() and (tmp_path / "images.npy").is_file(), "they are not Ulna's"


def test_files_of_the_layout_before_make_room(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    before = [tmp_path / name for name in ("images.npy", "masks.npy", "done.json")]
    for file in before:
        file.touch()
    build_cache(tiny_studies[:2], make_recipe(), tmp_path)
    assert not any(file.exists() for file in before)


@pytest.mark.parametrize("why", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_reading_asks_for_no_lock(
    why: int, tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where the folder or its disk may only be read, nor while another input is decoded."""

    def refuse(*_: object) -> None:
        raise OSError(why, os.strerror(why))

    build_cache(tiny_studies[:2], make_recipe(), tmp_path)
    monkeypatch.setattr(cache, "creation_lock", None)
    monkeypatch.setattr(os, "utime", refuse)
    assert len(build_cache(tiny_studies[:2], make_recipe(), tmp_path).images) == 3


def test_a_note_that_cannot_be_read_is_no_entry(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "refused")

    build_cache(tiny_studies[:2], make_recipe(), tmp_path)
    (key,) = _entries(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)
    assert cache_folder.open_entry(tmp_path, key) is None


def test_without_an_image_there_is_nothing_to_decode(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of 0 images"):
        build_cache([], make_recipe(), tmp_path)
