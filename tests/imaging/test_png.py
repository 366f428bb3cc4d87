"""PNG: all layouts and bit depths; damage outside of the pixel data is harmless."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from image_bytes import chunk, png, ramp
from PIL import Image

from ulna.errors import ImageError, ImageWarning
from ulna.imaging import read_radiograph

MAGIC = b"\x89PNG\r\n\x1a\n"


def image(top: int, channels: int = 1, height: int = 33, width: int = 41) -> np.ndarray:
    """(H, W, channels) of noise up to `top`, opaque, of three equal colours."""
    grey = np.random.default_rng(top).integers(0, top + 1, (height, width))
    grey[0, 0] = top
    kind = np.uint8 if top < 256 else np.uint16
    values = np.repeat(grey[..., None], channels, axis=2).astype(kind)
    if channels in (2, 4):
        values[..., -1] = np.iinfo(kind).max
    return values


def pixels(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_radiograph(data, "image").pixels


def noted(data: bytes, message: str) -> np.ndarray:
    with pytest.warns(ImageWarning, match=message) as reported:
        result = read_radiograph(data, "image").pixels
    assert len(reported) == 1
    return result


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("top", [255, 1000, 4095, 16383, 65535])
def test_every_layout_keeps_every_bit(top: int, channels: int, interlaced: bool) -> None:
    """Pillow#880, #1602: 8 of the 16 bits of a colour or an alpha were kept."""
    values = image(top, channels)
    result = pixels(png(values, interlaced=interlaced))
    expected = values[..., 0] / (2 ** max(8, top.bit_length()) - 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (64, 33)])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_16_bit_as_another_reader_has_them(size: tuple[int, int], channels: int) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV comes with ulna[explain]")
    values = np.random.default_rng(1).integers(0, 65536, (*size, channels)).astype(np.uint16)
    values[..., 3:] = 65535
    bgr = values[..., [2, 1, 0, 3][:channels]]
    data = cv2.imencode(".png", bgr)[1].tobytes()
    luma = values[..., :3] @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(read_radiograph(data).pixels, luma / 65535, atol=1e-6)


def test_the_largest_of_all_colours_says_the_bits() -> None:
    values = image(1000, 3)
    values[5, 5] = (0, 0, 4095)
    assert pixels(png(values))[0, 0] == pytest.approx(1000 / 4095, abs=1e-6)


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("replicated", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_significant_bits_undo_the_shift(bits: int, replicated: bool, channels: int) -> None:
    """sBIT, 12.5: how the free bits below were filled does not matter."""
    small = image(2**bits - 1, channels)
    values = small << (16 - bits)
    if replicated:
        values |= small >> (2 * bits - 16)
    result = pixels(png(values, chunk(b"sBIT", bytes([bits] * channels))))
    np.testing.assert_allclose(result, small[..., 0] / (2**bits - 1), atol=1e-6)


def test_significant_bits_of_8() -> None:
    small = image(31)
    result = pixels(png(small << 3, chunk(b"sBIT", b"\x05")))
    np.testing.assert_allclose(result, small[..., 0] / 31, atol=1e-6)


@pytest.mark.parametrize("message", [b"\x0c", b"\x00", b"\x10", b"\xff", b"", b"\x0c\x0a"])
def test_significant_bits_that_are_not_shifted_or_make_no_sense_change_nothing(
    message: bytes,
) -> None:
    values = image(4095)
    np.testing.assert_array_equal(pixels(png(values, chunk(b"sBIT", message))), pixels(png(values)))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_16_bit_is_black_and_told(channels: int) -> None:
    values = image(4095, channels)
    values[3:6, 3:6] = 2000
    key = struct.pack(f">{channels}H", *[2000] * channels)
    result = noted(png(values, chunk(b"tRNS", key)), "transparent pixels")
    expected = np.where((values == 2000).all(axis=2), 0, values[..., 0] / 4095)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    black = struct.pack(f">{channels}H", *[0] * channels)
    np.testing.assert_array_equal(pixels(png(values, chunk(b"tRNS", black))), pixels(png(values)))


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_16_bit_is_laid_on_black(channels: int) -> None:
    values = image(65535, channels)
    values[..., -1] = 13107  # a fifth
    result = noted(png(values), "transparent pixels")
    np.testing.assert_allclose(result, values[..., 0] / 65535 / 5, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
def test_an_alpha_as_deep_as_the_greys_is_opaque(channels: int) -> None:
    """Writers of 12-bit values give the alpha 12 bits too."""
    values = image(4095, channels)
    values[..., -1] = 4095
    np.testing.assert_allclose(pixels(png(values)), values[..., 0] / 4095, atol=1e-6)


def _spoilt(data: bytes, kind: bytes) -> bytes:
    """The checksum of the first chunk of a kind, wrong."""
    at = data.index(kind)
    end = at + 4 + struct.unpack_from(">I", data, at - 4)[0]
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


TEXT = chunk(b"tEXt", b"Comment\0left hand")


@pytest.mark.parametrize("kind", [b"tEXt", b"iCCP", b"eXIf", b"pHYs", b"quux", b"PLTE"])
@pytest.mark.parametrize("before", [False, True])
def test_a_wrong_checksum_where_no_pixel_is_costs_nothing(kind: bytes, before: bool) -> None:
    extra = chunk(kind, b"some bytes")
    values = image(4095)
    data = png(values, extra) if before else png(values, behind=extra)
    result = noted(_spoilt(data, kind), f"image: a chunk {kind.decode()} fails its checksum")
    np.testing.assert_array_equal(result, pixels(png(values)))


def test_damage_within_texts_and_profiles_costs_nothing() -> None:
    """Their checksums are right, their contents nonsense, or a gigabyte once inflated."""
    deflated = zlib.compressobj()
    bomb = b"a\0\0" + b"".join(deflated.compress(bytes(1 << 20)) for _ in range(200))
    values = image(4095)
    extra = [chunk(b"iCCP", b"x\0\0nonsense"), chunk(b"zTXt", bomb), chunk(b"eXIf", b"II*\0zzzz")]
    np.testing.assert_array_equal(pixels(png(values, *extra)), pixels(png(values)))


@pytest.mark.parametrize("lost", [1, 4, 12, 13, 14, 30])
def test_a_lost_end_is_told(lost: int) -> None:
    values = image(4095)
    whole = png(values, behind=TEXT)
    result = noted(whole[:-lost], "image: its end is missing: every pixel is there")
    np.testing.assert_array_equal(result, pixels(png(values)))


def test_pixels_whose_own_checksum_is_lost_are_told() -> None:
    whole = png(image(4095))
    for end in (12, 13, 16, 20):  # IEND, the checksum of IDAT, that of all pixels
        noted(whole[:-end], "its end is missing")


@pytest.mark.parametrize("lost", [24, 30, 40, 300])
def test_lost_pixels_are_refused(lost: int) -> None:
    with pytest.raises(ImageError, match="image: damaged or cut short PNG file"):
        read_radiograph(png(image(4095))[:-lost], "image")


def test_a_wrong_checksum_of_pixels_counts_if_the_pixels_fail_theirs() -> None:
    values = image(4095)
    data = png(values)
    result = noted(_spoilt(data, b"IDAT"), "a chunk of pixels fails its checksum; that of all")
    np.testing.assert_array_equal(result, pixels(data))
    at = data.index(b"IDAT") + 200
    flipped = data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]
    with pytest.raises(ImageError, match="their checksum|its pixels"):
        read_radiograph(flipped, "image")


@pytest.mark.parametrize("kind", [b"IHDR", b"tRNS"])
def test_a_wrong_checksum_of_what_pixels_need_is_refused(kind: bytes) -> None:
    data = png(image(4095), chunk(b"tRNS", b"\0\0"))
    with pytest.raises(ImageError, match=f"its chunk {kind.decode()} fails its checksum"):
        read_radiograph(_spoilt(data, kind), "image")


def test_a_palette_counts_where_pixels_are_its_indices() -> None:
    buffer = io.BytesIO()
    Image.fromarray(image(255)[..., 0].astype(np.uint8)).convert("P").save(buffer, "PNG")
    with pytest.raises(ImageError, match="its chunk PLTE fails its checksum"):
        read_radiograph(_spoilt(buffer.getvalue(), b"PLTE"), "image")


@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">IIBBBBB", 40, 40, 16, 3, 0, 0, 0),
        struct.pack(">IIBBBBB", 40, 40, 3, 0, 0, 0, 0),
        struct.pack(">IIBBBBB", 40, 40, 8, 0, 1, 0, 0),
        struct.pack(">IIBBBBB", 40, 40, 8, 0, 0, 0, 2),
        b"",
    ],
)
def test_a_header_of_no_picture_is_refused(head: bytes) -> None:
    data = MAGIC + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9999)))
    with pytest.raises(ImageError, match="image: .*describes no picture"):
        read_radiograph(data, "image")


def test_more_pixels_than_the_data_can_hold_are_refused_before_there_is_memory_for_them() -> None:
    head = struct.pack(">IIBBBBB", 7000, 7000, 8, 0, 0, 0, 0)
    data = MAGIC + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9999)))
    with pytest.raises(ImageError, match="they end too early"):
        read_radiograph(data, "image")


def test_frames_and_pixels_that_are_not_square_are_told() -> None:
    values = image(255)
    frames = chunk(b"acTL", struct.pack(">II", 3, 0))
    noted(png(values, frames), "image: 3 frames: only the first is read")
    wide = chunk(b"pHYs", struct.pack(">IIB", 2000, 1000, 1))
    noted(png(values, wide), r"image: its pixels are not square \(2000 to 1000")
    pixels(png(values, chunk(b"pHYs", struct.pack(">IIB", 2000, 2000, 1))))


def test_bytes_behind_the_end_are_nothing() -> None:
    values = ramp()[..., None]
    np.testing.assert_array_equal(pixels(png(values) + bytes(1000)), pixels(png(values)))
