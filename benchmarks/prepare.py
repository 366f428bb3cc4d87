"""The road to the model: decode and prepare, beside what a user would write instead.

`python benchmarks/prepare.py`: a PNG of 512 px and a 16-bit DICOM of 3000 x 2500 px (MONOCHROME1,
rescale, VOI LUT), to 224 and 640 px, with and without local contrast. The peer decodes with Pillow,
or with pydicom's pixel_array, apply_modality_lut and apply_voi_lut; stretches between NumPy's
percentiles; pads; resizes with Pillow's box filter. It has no look for foreign images and no local
contrast. CPU time of one thread, least of 15, so that a busy machine does not count.
"""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from ulna.config.input_spec import InputSpec
from ulna.imaging.non_radiograph import inspect_pixels
from ulna.imaging.read import read_radiograph
from ulna.preprocess import prepare

ROUNDS = 15
HEIGHT, WIDTH = 3000, 2500


def best_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds, the least of ROUNDS."""
    result = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        result.append(time.process_time() - start)
    return 1e3 * min(result)


def image(height: int, width: int) -> npt.NDArray[np.float64]:
    """(H, W) in [0, 1]: soft shapes and grain."""
    y, x = np.mgrid[:height, :width]
    soft = 0.45 + 0.3 * np.sin(9 * x / width) * np.cos(7 * y / height)
    noise = np.random.default_rng(0).normal(0, 0.01, (height, width))
    return np.clip(soft + noise, 0, 1)


def png_bytes() -> bytes:
    stream = io.BytesIO()
    Image.fromarray((255 * image(512, 440)).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def dicom_bytes() -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = dataset.StudyInstanceUID = pydicom.uid.generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality, dataset.PatientID = "DX", "p"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME1", 1
    dataset.Rows, dataset.Columns = HEIGHT, WIDTH
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1.0, 0.0
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", [0, 0, 16])
    curve = 65535 * np.linspace(0, 1, 65536) ** 1.3
    lut.add_new("LUTData", "OW", curve.astype("<u2").tobytes())
    dataset.VOILUTSequence = [lut]
    dataset.PixelData = (65535 * image(HEIGHT, WIDTH)).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def peer_read(data: bytes) -> npt.NDArray[np.float32]:
    """(H, W) float32 in [0, 1], as the packages' own documents do it."""
    if data[128:132] != b"DICM":
        return np.asarray(Image.open(io.BytesIO(data)).convert("L"), np.float32) / 255
    dataset = pydicom.dcmread(io.BytesIO(data))
    grey = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset).astype(np.int64), dataset)
    grey = grey.astype(np.float32)
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    return 1 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def peer_prepare(pixels: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    low, high = np.percentile(pixels, [0.5, 99.5])
    stretched = np.clip((pixels - low) / (high - low), 0, 1).astype(np.float32)
    side = max(pixels.shape)
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    square = np.zeros((side, side), np.float32)
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = stretched
    small = Image.fromarray(square).resize((size, size), Image.Resampling.BOX)
    return (np.asarray(small)[None] - np.float32(0.5)) / np.float32(0.25)


def report(name: str, data: bytes) -> None:
    radiograph, other = read_radiograph(data, name), peer_read(data)
    decode = best_ms(partial(read_radiograph, data, name))
    peer = best_ms(partial(peer_read, data))
    look = best_ms(partial(inspect_pixels, radiograph))
    print(f"{name}: decode {decode:.1f} ms, peer {peer:.1f} ms, ratio {decode / peer:.2f}")
    print(f"  look for foreign images {look:.1f} ms")
    for size in (224, 640):
        beside = best_ms(partial(peer_prepare, other, size))
        for share in (0.0, 0.2):
            spec = InputSpec(size=size, local_contrast=share)
            own = best_ms(partial(prepare, radiograph, spec))
            what = f"{size} px{', local contrast' if share else ''}"
            total, both = decode + look + own, peer + beside
            print(
                f"  prepare to {what}: {own:.1f} ms, peer {beside:.1f} ms, ratio "
                f"{own / beside:.2f}; with decode {total:.1f} ms, ratio {total / both:.2f}"
            )


def main() -> None:
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    report("PNG, 512 px", png_bytes())
    report(f"DICOM, {HEIGHT} x {WIDTH}, 16 bit", dicom_bytes())


if __name__ == "__main__":
    main()
