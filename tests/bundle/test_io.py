"""A bundle is read as it was written, and any change in between is reported."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ulna.bundle import Manifest, ModelBundle, read_bundle, replace_fusion, write_bundle
from ulna.bundle.io import manifest_hash
from ulna.errors import BundleError

Graphs = dict[str, Path | bytes]


def edit(bundle: ModelBundle, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and sign it anew, as a program that knows the format could."""
    path = bundle.path / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    data["hash"] = manifest_hash(data)
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


def test_round_trip(bundle: ModelBundle, manifest: Manifest, graphs: Graphs) -> None:
    again = read_bundle(str(bundle.path))
    assert again == bundle
    hashes = {n: hashlib.sha256(g).hexdigest() for n, g in graphs.items() if isinstance(g, bytes)}
    assert {e.name: e.sha256 for e in again.manifest.experts} == hashes
    experts = tuple(replace(e, sha256="") for e in again.manifest.experts)
    assert replace(again.manifest, experts=experts) == manifest
    assert not again.calibrated
    for entry in again.manifest.experts:
        assert again.graph_path(entry).read_bytes() == graphs[entry.name]


def test_hash_is_that_of_the_canonical_json(bundle: ModelBundle) -> None:
    data = json.loads((bundle.path / "manifest.json").read_text())
    assert data.pop("hash") == bundle.hash
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == bundle.hash


def test_graphs_may_be_files(manifest: Manifest, graphs: Graphs, tmp_path: Path) -> None:
    file = tmp_path / "graph"
    file.write_bytes(b"from a file")
    bundle = write_bundle(manifest, {**graphs, "cnn": file}, tmp_path / "deep" / "bundle")
    assert (bundle.path / "cnn.onnx").read_bytes() == b"from a file"
    assert read_bundle(bundle.path) == bundle
    assert os.listdir(bundle.path.parent) == ["bundle"]


def test_same_content_same_bytes(manifest: Manifest, graphs: Graphs, tmp_path: Path) -> None:
    first, second = (write_bundle(manifest, graphs, tmp_path / n) for n in "ab")
    assert first.hash == second.hash
    for file in first.path.iterdir():
        assert file.read_bytes() == (second.path / file.name).read_bytes()


def test_every_flipped_byte_of_every_file_is_found(bundle: ModelBundle) -> None:
    for file in sorted(bundle.path.iterdir()):
        original = file.read_bytes()
        places = range(0, len(original), 1 if file.suffix == ".json" else 97)
        for place, mask in itertools.product(places, (0x01, 0x20, 0xFF)):
            flipped = bytearray(original)
            flipped[place] ^= mask
            file.write_bytes(bytes(flipped))
            with pytest.raises(BundleError, match=file.name):
                read_bundle(bundle.path)
        file.write_bytes(original)
    assert read_bundle(bundle.path) == bundle


def test_cut_and_empty_files_are_named(bundle: ModelBundle) -> None:
    for file in sorted(bundle.path.iterdir()):
        original = file.read_bytes()
        for short in (b"", original[:-1], original + b"\n"):
            file.write_bytes(short)
            with pytest.raises(BundleError, match=file.name):
                read_bundle(bundle.path)
        file.write_bytes(original)


def test_missing_files_are_named(bundle: ModelBundle) -> None:
    (bundle.path / "tiny-2.onnx").unlink()
    with pytest.raises(BundleError, match=r"tiny-2\.onnx: the graph of expert 'tiny-2' is missing"):
        read_bundle(bundle.path)
    (bundle.path / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"no bundle \(manifest\.json is missing\)"):
        read_bundle(bundle.path)
    with pytest.raises(BundleError, match="no bundle"):
        read_bundle(bundle.path / "nowhere")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(bundle.path / "cnn.onnx")


def test_graph_that_is_a_folder(bundle: ModelBundle) -> None:
    graph = bundle.path / "cnn.onnx"
    graph.unlink()
    graph.mkdir()
    with pytest.raises(BundleError, match=r"cnn\.onnx: cannot be read"):
        read_bundle(bundle.path)


def test_exchanged_graphs_are_found(bundle: ModelBundle) -> None:
    shutil.copyfile(bundle.path / "tiny-2.onnx", bundle.path / "cnn.onnx")
    with pytest.raises(BundleError, match=r"cnn\.onnx: damaged or exchanged"):
        read_bundle(bundle.path)


def test_newer_format(bundle: ModelBundle) -> None:
    edit(bundle, lambda d: d.update(format=2, new_thing=1))
    with pytest.raises(BundleError, match="bundle format 2: this Ulna reads format 1; update Ulna"):
        read_bundle(bundle.path)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (lambda d: d.update(colour="red"), "unknown key 'colour'"),
    "missing key": (lambda d: d.pop("experts"), "key 'experts' is missing"),
    "unknown key within": (lambda d: d["fusion"].update(x=1), "fusion: unknown key 'x'"),
    "wrong type": (lambda d: d.update(split=[1]), "split: expected an object"),
    "unknown body part": (lambda d: d.update(body_parts=["KNEE"]), "'KNEE' is not one of"),
    "not convex": (
        lambda d: d["fusion"]["weights"]["WRIST"].update(cnn=0.6),
        "expected shares >= 0 with sum 1",
    ),
    "path outside": (lambda d: d["experts"][0].update(graph="../x"), "plain name of a file"),
    "no threshold": (lambda d: d.update(operating_point="mine"), "'mine' has no thresholds"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_signed_nonsense_is_refused(bundle: ModelBundle, change: str) -> None:
    action, words = CHANGES[change]
    edit(bundle, action)
    with pytest.raises(BundleError, match=rf"manifest\.json: .*{words}"):
        read_bundle(bundle.path)


def test_a_number_beyond_all_floats_is_damage(bundle: ModelBundle) -> None:
    """One changed byte makes it: e-05 to e905."""
    file = bundle.path / "manifest.json"
    text = file.read_text()
    place = text.index("0.5")
    file.write_text(f"{text[:place]}1e905{text[place + 3 :]}")
    with pytest.raises(BundleError, match=r"manifest\.json: damaged, .*1e905"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 1}', "null", '{"format": NaN}'])
def test_other_json(bundle: ModelBundle, text: str) -> None:
    (bundle.path / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        read_bundle(bundle.path)


def test_nothing_is_left_of_a_bundle_that_failed(
    manifest: Manifest, graphs: Graphs, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        write_bundle(manifest, {**graphs, "tiny-2": tmp_path / "gone"}, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BundleError, match=r"graphs of \['cnn'\]: expected one for each"):
        write_bundle(manifest, {"cnn": b"x"}, tmp_path / "bundle")


def test_a_bundle_is_replaced_whole(bundle: ModelBundle, graphs: Graphs) -> None:
    single = replace(bundle.manifest, name="new")
    again = write_bundle(single, {**graphs, "cnn": b"other"}, bundle.path)
    assert read_bundle(bundle.path) == again
    assert again.hash != bundle.hash
    assert os.listdir(bundle.path.parent) == ["bundle"]


def test_nothing_else_is_replaced(
    bundle: ModelBundle, manifest: Manifest, graphs: Graphs, tmp_path: Path
) -> None:
    (bundle.path / "notes.txt").write_text("mine")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_text("image")
    (tmp_path / "file").write_text("file")
    for out, words in (
        (bundle.path, "notes"),
        (tmp_path / "images", "a.png"),
        (tmp_path / "file", "is a file"),
    ):
        with pytest.raises(BundleError, match=words):
            write_bundle(manifest, graphs, out)
    assert (bundle.path / "notes.txt").read_text() == "mine"
    assert read_bundle(bundle.path) == bundle
    (tmp_path / "empty").mkdir()
    assert read_bundle(write_bundle(manifest, graphs, tmp_path / "empty").path)


def test_fusion_is_replaced_and_the_graphs_stay(bundle: ModelBundle) -> None:
    graph = bundle.path / "cnn.onnx"
    before = graph.stat()
    fusion = replace(
        bundle.manifest.fusion,
        weights={p: {"cnn": 1.0, "tiny-2": 0.0} for p in bundle.manifest.body_parts},
        n_calibration_studies=30,
    )
    first = replace_fusion(bundle, fusion, {"calibration.ALL.auroc": 0.9, "calibration.x": 1.0})
    assert (graph.stat().st_mtime_ns, graph.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert read_bundle(bundle.path) == first
    assert first.calibrated
    assert first.hash != bundle.hash
    assert first.manifest.metrics["parity_max_error"] == 3e-7
    second = replace_fusion(first, fusion, {"calibration.ALL.auroc": 0.8})
    assert second.manifest.metrics == {"parity_max_error": 3e-7, "calibration.ALL.auroc": 0.8}
    with pytest.raises(BundleError, match="changed since it was read"):
        replace_fusion(bundle, fusion, {})
