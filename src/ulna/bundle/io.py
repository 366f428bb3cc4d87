"""Reading and writing of bundles: written atomically, verified byte by byte when read."""

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
from ulna.json_text import parse_json

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ModelBundle:
    """A verified bundle: its folder, its manifest, and its hash.

    hash: SHA-256 of the canonical manifest, which contains the hashes of the graphs.
    """

    path: Path
    manifest: Manifest
    hash: str

    @property
    def calibrated(self) -> bool:
        """Whether fusion and thresholds were fitted on calibration studies."""
        return self.manifest.fusion.calibrated

    def graph_path(self, expert: ExpertEntry) -> Path:
        """Return the path of the expert's ONNX graph."""
        return self.path / expert.graph


def read_bundle(path: Path | str) -> ModelBundle:
    """Read the bundle in the folder `path` and check every file against its hash.

    Raises BundleError naming the file that is missing, damaged or of a newer format.
    """
    folder = Path(path)
    manifest, digest = _read_manifest(folder)
    for expert in manifest.experts:
        graph = folder / expert.graph
        sha256 = _file_sha256(graph, f"graph of expert {expert.name!r}")
        if sha256 != expert.sha256:
            raise BundleError(
                f"{graph}: damaged or exchanged: SHA-256 {sha256[:16]}..., the manifest says "
                f"{expert.sha256[:16]}...; copy the bundle again or export it again"
            )
    bundle = ModelBundle(folder, manifest, digest)
    read_out_of_distribution(bundle)
    return bundle


def read_out_of_distribution(bundle: ModelBundle) -> OodDetector | None:
    """Read the bundle's out-of-distribution detector and check its file; None if it has none."""
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
    """Write a manifest and graphs (expert -> file or bytes) as the bundle in the folder `out`.

    The hashes of the graphs in the manifest are recomputed. A bundle in `out` is replaced. The
    out-of-distribution detector is removed, since calibration fits it. Raises BundleError for
    graphs that do not match the experts, and if `out` contains anything but a bundle.
    """
    names = [e.name for e in manifest.experts]
    if set(graphs) != set(names):
        raise BundleError(f"graphs of {sorted(graphs)}: expected one for each of {names}")
    check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        partial.chmod(0o755)  # mkdtemp's folders are not readable by other users
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
    """Write a new calibration into the bundle: fusion, detector and cascade; the graphs stay.

    metrics: added to the manifest's, from which those of an earlier calibration ('calibration.*')
    are removed. out_of_distribution: the detector; the file name and hash in its entry are set
    here. An earlier detector is deleted in any case, since it belongs to another calibration.
    Raises BundleError if the manifest on disk has changed since `bundle` was read.
    """
    check_unchanged(bundle)
    kept = {k: v for k, v in bundle.manifest.metrics.items() if not k.startswith("calibration.")}
    entry = None
    if out_of_distribution is not None:
        data = statistics_bytes(out_of_distribution.experts, out_of_distribution.heads)
        digest = hashlib.sha256(data).hexdigest()
        # Named by its contents, so that manifest and file agree at every moment.
        entry = replace(
            out_of_distribution.entry, file=f"features-{digest[:12]}.npz", sha256=digest
        )
        write_atomic(bundle.path / entry.file, data)
    manifest = replace(
        bundle.manifest,
        fusion=fusion,
        metrics={**kept, **metrics},
        out_of_distribution=entry,
        cascade=cascade,
        # Other weights and temperatures give other maps, so the tests of the old ones are void.
        map_examination=None,
        distilled=_unproven(bundle.manifest.distilled),
    )
    new = ModelBundle(bundle.path, manifest, write_manifest(manifest, bundle.path))
    old = bundle.manifest.out_of_distribution
    if old is not None and (entry is None or old.file != entry.file):
        (bundle.path / old.file).unlink(missing_ok=True)
    return new


def _unproven(distilled: Distilled | None) -> Distilled | None:
    """The same without the acceptance test, which was of the previous calibration."""
    return None if distilled is None else replace(distilled, parity=None)


def check_unchanged(bundle: ModelBundle) -> None:
    """Raise BundleError if the manifest on disk has changed since `bundle` was read."""
    if _read_manifest(bundle.path)[1] != bundle.hash:
        raise BundleError(
            f"{bundle.path / MANIFEST}: changed since it was read: read the bundle again"
        )


def manifest_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces, ASCII) without the key 'hash'."""
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
            "`ulna export` (in Python `Run.export`) wrote"
        ) from None
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror or error}") from None
    try:
        data = parse_json(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
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
    """Return the manifest's hash after checking format, hash and formatting of the file."""
    if not isinstance(data, dict) or "format" not in data or "hash" not in data:
        raise BundleError(f"{file}: no manifest of a bundle: expected the keys 'format' and 'hash'")
    if data["format"] != FORMAT:
        raise BundleError(
            f"{file}: bundle format {data['format']!r}: this Ulna reads format {FORMAT}; "
            "update Ulna, or export the run again"
        )
    # The formatting counts too: a flipped byte that changes no value is still a damaged file.
    if data["hash"] != manifest_hash(data) or raw != _rendered(data):
        raise BundleError(
            f"{file}: damaged or edited: its contents do not match its own hash; "
            "copy the bundle again, or export and calibrate again"
        )
    return str(data["hash"])


def write_manifest(manifest: Manifest, folder: Path) -> str:
    """Write the manifest of the bundle in `folder` and return its hash."""
    data = to_json(manifest)
    digest = manifest_hash(data)
    write_atomic(folder / MANIFEST, _rendered({**data, "hash": digest}))
    return digest


def _put(graph: Path | bytes, target: Path) -> None:
    if isinstance(graph, bytes):
        target.write_bytes(graph)
    else:
        shutil.copyfile(graph, target)


def _file_sha256(file: Path, description: str) -> str:
    try:
        return file_sha256(file)
    except FileNotFoundError:
        raise BundleError(f"{file}: the {description} is missing: copy the whole folder") from None
    except OSError as error:
        raise BundleError(f"{file}: cannot be read: {error.strerror or error}") from None


def check_replaceable(out: Path) -> None:
    """Raise BundleError if writing to `out` would destroy anything but a bundle.

    `write_bundle` calls it; callers that compute for minutes before that call it at their start.
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
    statistics = manifest.out_of_distribution
    files = {MANIFEST, *(e.graph for e in manifest.experts)}
    return files | ({statistics.file} if statistics else set())


def _swap(new: Path, out: Path) -> None:
    """Rename `new` to `out`; an old bundle there is deleted only after it has been replaced."""
    if not out.exists():
        new.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.replace(old)
    new.rename(out)
    shutil.rmtree(old)
