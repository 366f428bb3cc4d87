"""JPEG: missing pixels are detected, and damage outside of the pixel data is harmless."""

from __future__ import annotations

import struct
import warnings

import numpy as np
import pytest
from image_bytes import encoded
from PIL import Image

from ulna.errors import ImageError, ImageWarning
from ulna.imaging import read_radiograph

KINDS = {
    "grey": ("L", {}),
    "colour": ("RGB", {}),
    "colour in full": ("RGB", {"subsampling": 0}),
    "CMYK": ("CMYK", {}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 2}),
    "progressive with restarts": ("L", {"progressive": True, "restart_marker_rows": 1}),
}


def jpeg(kind: str, size: tuple[int, int] = (45, 70)) -> bytes:
    """Noise: every block has bits of its own."""
    mode, options = KINDS[kind]
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise).convert(mode), "JPEG", quality=90, **options)


def pixels(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_radiograph(data, "image").pixels


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_end_marker_is_told(kind: str) -> None:
    """lvc#19, FCOS#238: every pixel is there."""
    whole = jpeg(kind)
    for cut in (whole[:-2], whole[:-1], whole[:-2] + b"\xff\xff"):
        with pytest.warns(
            ImageWarning, match="image: its end marker is missing: every pixel"
        ) as all_:
            result = read_radiograph(cut, "image").pixels
        assert len(all_) == 1
        np.testing.assert_array_equal(result, pixels(whole))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [5, 10, 22, 60, 400, 1500])
def test_lost_pixels_are_refused(kind: str, lost: int) -> None:
    with pytest.raises(ImageError, match="image: damaged or cut short JPEG file"):
        read_radiograph(jpeg(kind)[:-lost], "image")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [900, 1500])
def test_an_end_marker_does_not_stand_for_lost_pixels(kind: str, lost: int) -> None:
    """libjpeg silently fills them with grey."""
    with pytest.raises(ImageError, match="image: damaged or cut short JPEG file"):
        read_radiograph(jpeg(kind)[:-lost] + b"\xff\xd9", "image")


def test_lost_scans_and_stretches_are_refused() -> None:
    whole = jpeg("progressive")
    last = whole.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match=r"its last scans are missing"):
        read_radiograph(whole[: whole.rindex(b"\xff\xc4", 0, last)] + b"\xff\xd9", "image")
    whole = jpeg("restarts")
    first, second = whole.index(b"\xff\xd0"), whole.index(b"\xff\xd1")
    with pytest.raises(ImageError, match=r"stretches between its restart markers are missing"):
        read_radiograph(whole[:first] + whole[second:], "image")


def test_a_grey_corner_is_no_damage() -> None:
    """The filler of libjpeg for lost blocks may equal the true pixels."""
    grey = np.full((45, 70), 128, np.uint8)
    grey[:9] = np.arange(70)
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 2}):
        result = pixels(encoded(Image.fromarray(grey), "JPEG", **options))
        assert abs(result[-1, -1] * 255 - 128) < 3


def _with(segment: bytes, marker: int) -> bytes:
    whole = jpeg("grey")
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment + whole[2:]


@pytest.mark.parametrize(
    ("marker", "segment"),
    [
        (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        (0xE1, b"Exif\0\0"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<"),
        (0xE2, b"MPF\0MM\0*\0\0\0\x08\0\x01\xb0\x01"),
        (0xE2, b"ICC_PROFILE\0\x01\x09nonsense"),
        (0xE0, b"JFXX\0"),
        (0xED, b"Photoshop 3.0\0" + bytes(9)),
        (0xFE, b"a comment \xff\xd9 with an end in it"),
    ],
)
def test_damage_beside_the_pixels_costs_nothing(marker: int, segment: bytes) -> None:
    np.testing.assert_array_equal(pixels(_with(segment, marker)), pixels(jpeg("grey")))


def test_pictures_of_several_frames_and_pixels_that_are_not_square_are_told() -> None:
    directory = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHII", 0xB001, 4, 1, 2) + bytes(4)
    with pytest.warns(ImageWarning, match="2 frames: only the first"):
        read_radiograph(_with(b"MPF\0" + directory, 0xE2), "image")
    density = b"JFIF\0\x01\x02\x01" + struct.pack(">HHBB", 300, 150, 0, 0)
    with pytest.warns(ImageWarning, match=r"not square \(300 to 150"):
        read_radiograph(_with(density, 0xE0), "image")


def test_12_bits_and_scans_without_end_are_refused_before_they_are_decoded() -> None:
    whole = jpeg("grey")
    frame = whole.index(b"\xff\xc0") + 4
    with pytest.raises(ImageError, match="image: JPEG of 12 bits: expected 8"):
        read_radiograph(whole[:frame] + b"\x0c" + whole[frame + 1 :], "image")
    whole = jpeg("progressive grey", (2000, 2000))
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="image: JPEG of .* scans over 4000000 px"):
        read_radiograph(whole[:-2] + scan[:40] * 300 + whole[-2:], "image")


@pytest.mark.parametrize("sides", [(7900, 7900), (3000, 3000)])
def test_more_pixels_than_the_data_can_hold_are_refused(sides: tuple[int, int]) -> None:
    whole = jpeg("grey")
    at = whole.index(b"\xff\xc0") + 5
    with pytest.raises(ImageError, match="its data end before its last pixel"):
        read_radiograph(whole[:at] + struct.pack(">HH", *sides) + whole[at + 4 :], "image")
