"""The images that are damaged: small ones made here, and those beside the repository."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from ulna.imaging.raster import raster_format

SHARED = Path(__file__).resolve().parents[3] / "shared"
_DX = UID("1.2.840.10008.5.1.4.1.1.1.1")
_BASELINE, _J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
_HTJ2K = "1.2.840.10008.1.2.4.201"
# Above this an image takes long to decode: it gets a small share of the mutants.
_LARGE = 150_000


def limb(height: int = 72, width: int = 56, top: int = 4095) -> np.ndarray:
    """(H, W) uint16, a bright rod on a dark ground, 0 to `top`."""
    rows, columns = np.mgrid[:height, :width]
    bone = np.exp(-(((columns - width / 2) / (width / 6)) ** 2)) * (0.7 + 0.3 * np.cos(rows / 5))
    return np.rint((bone - bone.min()) / np.ptp(bone) * top).astype(np.uint16)


def dicom_films() -> dict[str, bytes]:
    """Small DICOM images in every syntax that can be written here, by name."""
    result = {f"made-{name}": _bytes(dataset) for name, dataset in _native().items()}
    result["made-bare"] = result["made-plain"][132:]
    result["made-implicit"] = _bytes(_image(), implicit=True)
    big = _image()
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    result["made-big"] = _bytes(big, little=False)
    deflated = _image()
    deflated.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    result["made-deflated"] = _bytes(deflated)
    packed = _image()
    packed.compress(RLELossless)
    result["made-rle"] = _bytes(packed)
    for name, (syntax, stream, bits) in _streams().items():
        # Written as HTJ2K and renamed: pydicom does not know them all, and they are as long.
        known = syntax if UID(syntax).is_transfer_syntax else _HTJ2K
        written = _bytes(_encapsulated(known, stream, bits))
        result[f"made-{name}"] = written.replace(known.encode(), syntax.encode())
    return result | _files("data/dicom", ".dcm") | _files("cases/files", ".dcm")


def picture_films() -> dict[str, dict[str, bytes]]:
    """Small pictures of each format, by format and name."""
    greys = limb(top=255).astype(np.uint8)
    colour = np.stack([greys, greys, greys], axis=2)
    alpha = np.dstack([colour, 255 - greys])
    images = {"grey": greys, "colour": colour, "alpha": alpha, "deep": limb()}
    result: dict[str, dict[str, bytes]] = {"PNG": {}, "JPEG": {}, "TIFF": {}}
    for name, pixels in images.items():
        result["PNG"][name] = _saved(pixels, "PNG")
        result["TIFF"][name] = _saved(pixels, "TIFF")
        for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
            result["TIFF"][f"{name}-{packing}"] = _saved(pixels, "TIFF", compression=packing)
    result["TIFF"]["jpeg"] = _saved(colour, "TIFF", compression="jpeg")
    result["TIFF"]["fax"] = _saved(greys > 99, "TIFF", compression="group4")
    result["TIFF"]["float"] = _saved((greys / 255).astype(np.float32), "TIFF")
    result["JPEG"]["grey"] = _saved(greys, "JPEG")
    result["JPEG"]["colour"] = _saved(colour, "JPEG", exif=_turned())
    result["JPEG"]["progressive"] = _saved(colour, "JPEG", progressive=True)
    result["JPEG"]["restarts"] = _saved(greys, "JPEG", restart_marker_blocks=4)
    cmyk = np.asarray(Image.fromarray(colour).convert("CMYK"))
    result["JPEG"]["cmyk"] = _saved(cmyk, "JPEG", mode="CMYK")
    palette = Image.fromarray(greys).convert("P")
    result["PNG"]["palette"] = _image_bytes(palette, "PNG", transparency=3)
    for kind, ending in {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif"}.items():
        beside = _files("cases/files", ending).items()
        result[kind] |= {name: data for name, data in beside if raster_format(data) == kind}
    return result


def share(name: str, data: bytes) -> int:
    """How often an image is chosen, relative to others."""
    return 1 if len(data) > _LARGE else 10 if "/" in name else 30


def _image(pixels: np.ndarray | None = None, bits: int = 12, signed: int = 0) -> Dataset:
    values = limb() if pixels is None else pixels
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = _DX
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.1"
    image.StudyInstanceUID, image.PatientID, image.Modality = "1.2.826.0.1.2", "p1", "DX"
    image.BodyPartExamined, image.PhotometricInterpretation = "WRIST", "MONOCHROME2"
    image.InstanceNumber, image.ImagerPixelSpacing = 1, [0.2, 0.2]
    image.SamplesPerPixel, image.PixelRepresentation = 1, signed
    image.Rows, image.Columns = values.shape
    image.BitsAllocated = 8 * values.dtype.itemsize
    image.BitsStored, image.HighBit = bits, bits - 1
    image.PixelData = values.tobytes()
    image["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    return image


def _native() -> dict[str, Dataset]:
    windowed = _image()
    windowed.WindowCenter, windowed.WindowWidth = [2048, 1000], [4096, 900]
    windowed.RescaleSlope, windowed.RescaleIntercept, windowed.RescaleType = 1, -1024, "US"
    windowed.PixelPaddingValue, windowed.PixelAspectRatio = 0, [1, 1]
    looked_up = _image()
    looked_up.VOILUTSequence = [_table(4096, 12)]
    looked_up.ModalityLUTSequence = [_table(4096, 16)]
    signed = _image(limb().astype(np.int16) - np.int16(2048), 12, 1)
    region = _image()
    region.AnatomicRegionSequence = [Dataset()]
    region.AnatomicRegionSequence[0].CodeValue = "74670003"
    region.ViewCodeSequence = [Dataset()]
    return {
        "plain": _image(),
        "window": windowed,
        "luts": looked_up,
        "signed": signed,
        "region": region,
        "eight": _image(limb(top=255).astype(np.uint8), 8),
        "sixteen": _image(limb(top=65535), 16),
    }


def _table(size: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [size, 0, bits])
    ramp = np.linspace(0, (1 << bits) - 1, size).astype("<u2")
    item.add_new("LUTData", "OW", ramp.tobytes())
    return item


def _streams() -> dict[str, tuple[str, bytes, int]]:
    """Transfer syntax, codestream and bits of each codec at hand."""
    eight, deep = limb(top=255).astype(np.uint8), limb()
    result = {
        "jpeg": (_BASELINE, _saved(eight, "JPEG"), 8),
        "j2k": (_J2K, _saved(deep, "JPEG2000", no_jp2=True), 16),
    }
    if importlib.util.find_spec("imagecodecs") is None:
        return result
    import imagecodecs as codecs

    makers: dict[str, tuple[str, Any, int]] = {
        "jpeg-ls": ("1.2.840.10008.1.2.4.80", lambda: codecs.jpegls_encode(deep), 16),
        "lossless": ("1.2.840.10008.1.2.4.70", lambda: codecs.ljpeg_encode(deep), 16),
        "jpeg-xl": ("1.2.840.10008.1.2.4.110", lambda: codecs.jpegxl_encode(deep), 16),
        "htj2k": ("1.2.840.10008.1.2.4.201", lambda: codecs.htj2k_encode(deep), 16),
        "jpeg-12": (
            "1.2.840.10008.1.2.4.51",
            lambda: codecs.jpeg8_encode(deep, bitspersample=12),
            12,
        ),
    }
    for name, (syntax, make, bits) in makers.items():
        try:
            result[name] = (syntax, make(), bits)
        except (
            AttributeError,
            ImportError,
            ValueError,
            RuntimeError,
        ):  # a build without this codec
            continue
    return result


def _encapsulated(syntax: str, stream: bytes, bits: int) -> Dataset:
    image = _image(
        limb(top=(1 << min(bits, 12)) - 1).astype(np.uint8 if bits == 8 else np.uint16), bits
    )
    image.file_meta.TransferSyntaxUID = UID(syntax)
    image.PixelData = encapsulate([stream])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    return image


def _bytes(image: Dataset, *, implicit: bool = False, little: bool = True) -> bytes:
    if implicit:
        image.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2")
    if not little:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, image, enforce_file_format=True)
    return buffer.getvalue()


def _files(place: str, ending: str) -> dict[str, bytes]:
    folder = SHARED / place
    paths = sorted(folder.glob(f"*{ending}")) if folder.is_dir() else []
    return {f"{place}/{path.name}": path.read_bytes() for path in paths}


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _saved(pixels: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    image = Image.fromarray(pixels)
    return _image_bytes(
        image if mode is None else Image.frombytes(mode, image.size, pixels.tobytes()),
        kind,
        **options,
    )


def _image_bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
