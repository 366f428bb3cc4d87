"""Images of real size for the parts: a PNG of 512 px, a DICOM object of 3000 x 2500 px."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

SMALL, LARGE = (512, 384), (3000, 2500)


def soft_shapes(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Smooth random greys in [0, 1] with a little noise."""
    rng = np.random.default_rng(5)
    coarse = ndimage.zoom(rng.random((8, 8)), (shape[0] / 8, shape[1] / 8), order=1)
    return np.clip(0.9 * coarse + 0.1 * rng.random(shape), 0, 1)


def png_film() -> bytes:
    """8 bits."""
    file = io.BytesIO()
    Image.fromarray((255 * soft_shapes(SMALL)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def dicom_film() -> bytes:
    """16 bits, uncompressed, with a linear window."""
    pixels = (65535 * soft_shapes(LARGE)).astype(np.uint16)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        DigitalXRayImageStorageForPresentation,
        generate_uid(entropy_srcs=["film"]),
    )
    dataset.Modality, dataset.PhotometricInterpretation = "DX", "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.WindowCenter, dataset.WindowWidth = 32768, 60000
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
