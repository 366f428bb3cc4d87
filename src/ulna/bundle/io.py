"""Bundles on disk: written whole or not at all, verified byte for byte when read."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ulna.atomic_file import write_atomic
from ulna.bundle.cascade import CascadeParameters
from ulna.bundle.distilled import Distilled
from ulna.bundle.manifest import FORMAT, ExpertEntry, FusionParameters, Manifest
from ulna.bundle.out_of_distribution import OodDetector, read_statistics, statistics_bytes
from ulna.config.bounds import as_recorded
from ulna.config.codec import from_json, to_json
from ulna.digest import file_sha256
from ulna.errors import BundleError, ConfigError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ModelBundle:
    """A bundle that was verified: where it lies, what it says, and the hash of both.

    hash: SHA-256 of the canonical manifest, which holds the hashes of the graphs.
    """

    path: Path
    manifest: Manifest
    hash: str

    @property
    def calibrated(self) -> bool:
        """Whether fusion and thresholds were fitted on any study."""
        return self.manifest.fusion.calibrated

    def graph_path(self, expert: ExpertEntry) -> Path:
        """The file of the expert's ONNX graph."""
        return self.path / expert.graph


def read_bundle(path: Path | str) -> ModelBundle:
    """The bundle in the folder `path`, every file checked against its hash.

    Raises BundleError naming the file that is missing, damaged or of a newer format.
    """
    folder = Path(path)
    manifest, digest = _read_manifest(folder)
    for expert in manifest.experts:
        graph = folder / expert.graph
        result = _file_sha256(graph, f"graph of expert {expert.name!r}")
        if result != expert.sha256:
            raise BundleError(
                f"{graph}: damaged or exchanged: SHA-256 {result[:16]}..., the manifest says "
                f"{expert.sha256[:16]}...; copy the bundle again or export it again"
            )
    bundle = ModelBundle(folder, manifest, digest)
    read_out_of_distribution(bundle)
    return bundle


def read_out_of_distribution(bundle: ModelBundle) -> OodDetector | None:
    """What the bundle's images look like, its file checked; None where that is not known."""
    entry = bundle.manifest.out_of_distribution
    if entry is None:
        return None
    file = bundle.path / entry.file
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{file}: cannot be read: {error.strerror or error}; copy the whole folder"
        ) from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(
            f"{file}: damaged or exchanged: its SHA-256 is not the one the manifest says; copy "
            "the bundle again or calibrate it again"
        )
    return read_statistics(data, entry)


def write_bundle(manifest: Manifest, graphs: Mapping[str, Path | bytes], out: Path) -> ModelBundle:
    """Write manifest and graphs (by expert's name; a file or its bytes) as the folder `out`.

    The hashes of the graphs are computed here, whatever the manifest says. A bundle that is in
    `out` is replaced. What its images look like is left to calibration. Raises BundleError for
    graphs that do not match the experts, and for an `out` that holds anything but a bundle.
    """
    names = [e.name for e in manifest.experts]
    if set(graphs) != set(names):
        raise BundleError(f"graphs of {sorted(graphs)}: expected one for each of {names}")
    check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        partial.chmod(0o755)  # mkdtemp's folders are closed to other users
        experts = []
        for expert in manifest.experts:
            _put(graphs[expert.name], partial / expert.graph)
            digest = _file_sha256(partial / expert.graph, "graph")
            experts.append(replace(expert, sha256=digest))
        manifest = replace(manifest, experts=tuple(experts), out_of_distribution=None)
        digest = write_manifest(manifest, partial)
        _swap(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ModelBundle(out, manifest, digest)


def replace_fusion(
    bundle: ModelBundle,
    fusion: FusionParameters,
    metrics: Mapping[str, float],
    out_of_distribution: OodDetector | None = None,
    cascade: CascadeParameters | None = None,
) -> ModelBundle:
    """Rewrite the manifest with `fusion`, `out_of_distribution` and `cascade`; graphs stay.

    metrics: added to the manifest's; those of an earlier calibration ('calibration.*') go.
    domain: what its images look like; the file and hash of its entry are set here. An earlier
    one goes in any case: it was of another calibration.
    Raises BundleError if the manifest on disk is not the one of `bundle` any more.
    """
    check_unchanged(bundle)
    kept = {k: v for k, v in bundle.manifest.metrics.items() if not k.startswith("calibration.")}
    entry = None
    if out_of_distribution is not None:
        data = statistics_bytes(out_of_distribution.experts, out_of_distribution.heads)
        digest = hashlib.sha256(data).hexdigest()
        # Named by its contents: manifest and file agree at every moment.
        entry = replace(out_of_distribution.entry, file=f"domain-{digest[:12]}.npz", sha256=digest)
        write_atomic(bundle.path / entry.file, data)
    manifest = replace(
        bundle.manifest,
        fusion=fusion,
        metrics={**kept, **metrics},
        out_of_distribution=entry,
        cascade=cascade,
        # Other weights and temperatures make other maps: what was said of the old ones is void.
        map_examination=None,
        distilled=_unproven(bundle.manifest.distilled),
    )
    new = ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))
    old = bundle.manifest.out_of_distribution
    if old is not None and (entry is None or old.file != entry.file):
        (bundle.path / old.file).unlink(missing_ok=True)
    return new


def _unproven(distilled: Distilled | None) -> Distilled | None:
    """The gate's figures were of the answers under the calibration before."""
    return None if distilled is None else replace(distilled, parity=None)


def check_unchanged(bundle: ModelBundle) -> None:
    """BundleError if the manifest on disk is not the one of `bundle` any more."""
    if _read_manifest(bundle.path)[1] != bundle.hash:
        raise BundleError(
            f"{bundle.path / MANIFEST}: changed since it was read: read the bundle again"
        )


def manifest_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) of all but the key 'hash'."""
    content = {k: v for k, v in data.items() if k != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _rendered(data: Mapping[str, Any]) -> bytes:
    text = json.dumps(data, sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode("ascii")


def _read_manifest(folder: Path) -> tuple[Manifest, str]:
    file = folder / MANIFEST
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{folder}: no bundle ({MANIFEST} is missing): expected a folder that "
            "`ulna export` wrote"
        ) from None
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror or error}") from None
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file}: damaged, not readable as JSON ({error})") from None
    digest = _checked_hash(data, raw, file)
    try:
        with as_recorded():
            manifest = from_json(Manifest, {k: v for k, v in data.items() if k != "hash"})
    except (ConfigError, BundleError) as error:
        raise BundleError(f"{file}: {error}") from None
    return manifest, digest


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no finite number")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)


def _checked_hash(data: Any, raw: bytes, file: Path) -> str:
    """The manifest's hash, if format, hash and spelling are as Ulna writes them."""
    if not isinstance(data, dict) or "format" not in data or "hash" not in data:
        raise BundleError(f"{file}: no manifest of a bundle: expected the keys 'format' and 'hash'")
    if data["format"] != FORMAT:
        raise BundleError(
            f"{file}: bundle format {data['format']!r}: this Ulna reads format {FORMAT}; "
            "update Ulna, or export the run again"
        )
    # Also the spelling: a flipped byte that leaves the values alone is still a damaged file.
    if data["hash"] != manifest_hash(data) or raw != _rendered(data):
        raise BundleError(
            f"{file}: damaged or edited: its contents do not match its own hash; "
            "copy the bundle again, or export and calibrate again"
        )
    return str(data["hash"])


def write_manifest(manifest: Manifest, folder: Path) -> str:
    """Write the manifest of the bundle in `folder`; returns its hash."""
    data = to_json(manifest)
    digest = manifest_hash(data)
    write_atomic(folder / MANIFEST, _rendered({**data, "hash": digest}))
    return digest


def _put(graph: Path | bytes, target: Path) -> None:
    if isinstance(graph, bytes):
        target.write_bytes(graph)
    else:
        shutil.copyfile(graph, target)


def _file_sha256(file: Path, what: str) -> str:
    try:
        return file_sha256(file)
    except FileNotFoundError:
        raise BundleError(f"{file}: the {what} is missing: copy the whole folder") from None
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror or error}") from None


def check_replaceable(out: Path) -> None:
    """BundleError if writing to `out` would destroy anything but a bundle.

    `write_bundle` asks it; who works for minutes before that asks it first.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise BundleError(f"{out}: is a file: expected the name of a new folder")
    present = {p.name for p in out.iterdir()}
    if not present:
        return
    own = _own_files(_read_manifest(out)[0]) if MANIFEST in present else set()
    if present - own:
        raise BundleError(
            f"{out}: holds {sorted(present - own)[0]!r}, which is no part of a bundle: "
            "give a new folder, or delete this one"
        )


def _own_files(manifest: Manifest) -> set[str]:
    out_of_distribution = (
        {manifest.out_of_distribution.file} if manifest.out_of_distribution else set()
    )
    return {MANIFEST, *(e.graph for e in manifest.experts)} | out_of_distribution


def _swap(new: Path, out: Path) -> None:
    """Rename `new` to `out`; what was there goes away only after it has been replaced."""
    if not out.exists():
        new.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.replace(old)
    new.rename(out)
    shutil.rmtree(old)
