"""TIFF: every layout of greys and colours, which page is the image, and what is refused."""

from __future__ import annotations

import io
import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
from image_bytes import encoded, ramp, tiff
from PIL import Image
from scripts.cases import inner_words

from ulna.errors import ImageError, ImageWarning
from ulna.imaging import read_radiograph

SIZE = (37, 50)


def pixels(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_radiograph(data, "image").pixels


def image(kind: str, top: float, channels: int = 1) -> np.ndarray:
    """(H, W, channels) of type `kind`, from 0 to `top`, opaque, of three equal colours."""
    level = np.random.default_rng(0).random(SIZE)
    level[0, :2] = 0, 1
    values = level * top if kind[0] == "f" else np.rint(level * top)
    values = np.repeat(values[..., None], channels, axis=2).astype(kind)
    if channels in (2, 4):
        values[..., -1] = 1 if kind[0] == "f" else np.iinfo(kind).max
    return values


def expected(values: np.ndarray) -> np.ndarray:
    grey = values[..., 0].astype(np.float64)
    if values.dtype.kind == "f":
        return grey
    bits = 8 if values.dtype == np.uint8 else max(8, int(grey.max()).bit_length())
    return grey / (2**bits - 1)


DEPTHS = [("u1", 255), ("u1", 99), ("u2", 4095), ("u2", 65535), ("i2", 4095), ("u4", 4095)]
DEPTHS += [("i4", 60000), ("f4", 1), ("f2", 1)]
WAYS = list(
    product("<>", (False, True), (False, True), (None, (16, 32)), (False, True), (False, True))
)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("kind", "top"), DEPTHS)
def test_every_layout(kind: str, top: float, channels: int) -> None:
    """Pillow#1602, #1828, #4513: 16-bit colours were cut to 8, alphas and BigTIFF unknown."""
    values = image(kind, top, channels)
    extra = {338: [2]} if channels in (2, 4) else {}
    for order, big, separate, tile, packed, differences in WAYS:
        if (separate and channels == 1) or (differences and not packed):
            continue
        predictor = (3 if kind == "f4" else 2) if differences and kind != "f2" else 1
        options: dict[str, Any] = {"big": big, "separate": separate, "tile": tile, "tags": extra}
        data = tiff(values, order, packed=packed, predictor=predictor, **options)
        result = pixels(data)
        why = str((order, big, separate, tile, packed, predictor))
        np.testing.assert_allclose(result, expected(values), atol=2e-6, err_msg=why)


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compression", [5, 8, 32773])
def test_packings_that_another_library_writes(kind: str, compression: int) -> None:
    """LZW and its differences, deflate and PackBits, by OpenCV's libtiff."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV comes with ulna[explain]")
    values = image(kind, {"u1": 255, "u2": 4095, "f4": 1}[kind], 3)
    option = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    data = cv2.imencode(".tif", values, option)[1].tobytes()
    np.testing.assert_allclose(pixels(data), expected(values), atol=2e-6)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "f4"])
def test_white_is_zero_is_inverted_at_every_depth(kind: str, order: str) -> None:
    values = image(kind, 1 if kind == "f4" else 255)
    result = pixels(tiff(values, order, tags={262: [0]}))
    np.testing.assert_allclose(result, 1 - expected(values), atol=2e-6)


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_samples_packed_side_by_side(bits: int) -> None:
    """Of stated bits, the full scale is stated: nothing is guessed."""
    values = np.random.default_rng(0).integers(0, 2**bits // 2, SIZE)
    single = values[..., None] >> np.arange(bits - 1, -1, -1) & 1
    rows = np.packbits(single.reshape(len(values), -1).astype(np.uint8), axis=1)
    data = tiff(rows[..., None], tags={256: [SIZE[1]], 258: [bits]})
    np.testing.assert_allclose(pixels(data), values / (2**bits - 1), atol=2e-6)


def test_bits_from_the_lowest_on() -> None:
    values = image("u1", 255)
    mirrored = np.packbits(np.unpackbits(values, axis=2)[..., ::-1], axis=2)
    result = pixels(tiff(mirrored, tags={266: [2]}))
    np.testing.assert_allclose(result, expected(values), atol=2e-6)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_alphas(kind: str) -> None:
    """TIFF 6.0, section 18: 0 is something else, 1 already multiplied, 2 still to be."""
    values = image(kind, 255, 2)
    values[..., 1] = np.iinfo(kind).max // 5
    grey = values[..., 0] / 255
    for extra in (0, 1):
        np.testing.assert_allclose(pixels(tiff(values, tags={338: [extra]})), grey, atol=2e-6)
    for tags in ({338: [2]}, {}):
        with pytest.warns(ImageWarning, match="image: transparent pixels hide"):
            result = read_radiograph(tiff(values, tags=tags), "image").pixels
        np.testing.assert_allclose(result, grey / 5, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "tags", "message"),
    [
        (image("i2", 4095) - np.int16(1024), {}, "16-bit pixels from -1024 to 3071: expected 0"),
        (image("i1", 100) - np.int8(50), {}, "8-bit pixels from -50 to 50"),
        (image("u4", 70000), {}, "32-bit pixels from 0 to 70000"),
        (image("f4", 4095), {}, "32-bit pixels from 0 to 4095, floats: expected 0 to 1"),
        (image("f4", 1) * np.float32(np.nan), {}, "32-bit pixels from nan to nan"),
        (image("f8", 1), {}, "TIFF of 64-bit floats"),
        (image("u8", 1), {}, "TIFF of 64-bit whole numbers"),
        (image("u2", 1), {339: [6]}, "TIFF of 16-bit samples"),
        (image("u2", 1), {258: [24]}, "TIFF of 24-bit whole numbers"),
        (image("u1", 255, 3), {258: [8, 8, 4]}, "TIFF of 8-bit"),
        (image("u1", 255, 2), {262: [2]}, "TIFF of 2 samples a pixel: expected 3"),
        (image("u1", 255), {259: [34892]}, "damaged or cut short TIFF file"),
        (image("u1", 255), {256: [0]}, "too small"),
        (image("u1", 255), {273: [0, 0, 0]}, "its pixels do not lie in the file"),
        (image("u1", 255), {279: [9, 9, 9, 9]}, "its pixels end too early"),
        (image("u1", 255), {278: [0]}, "impossible size"),
        (image("u1", 255), {262: [32803]}, "damaged or cut short TIFF file"),
    ],
)
def test_what_is_no_image_is_refused_in_plain_words(
    values: np.ndarray, tags: dict[int, list[int]], message: str
) -> None:
    with pytest.raises(ImageError, match=f"image: .*{message}") as refused:
        read_radiograph(tiff(values, tags=tags), "image")
    assert not inner_words(str(refused.value))


def _pages(*sizes: tuple[int, int], **options: Any) -> bytes:
    images = [Image.fromarray(ramp(*size)) for size in sizes]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:], **options)
    return buffer.getvalue()


def test_the_image_is_read_and_not_its_thumbnail() -> None:
    with pytest.warns(ImageWarning, match="2 frames: only number 2, no thumbnail, is read"):
        result = read_radiograph(_pages((20, 25), (80, 100))).pixels
    np.testing.assert_array_equal(result, ramp(80, 100) / np.float32(255))


@pytest.mark.parametrize(
    "sizes", [((80, 100), (20, 25)), ((80, 100), (80, 100)), ((60, 80), (80, 90))]
)
def test_of_equals_and_of_a_pyramid_the_first_page_is_read(
    sizes: tuple[tuple[int, int], ...],
) -> None:
    with pytest.warns(ImageWarning, match="2 frames: only the first is read"):
        assert read_radiograph(_pages(*sizes)).pixels.shape == sizes[0]


def test_a_directory_that_is_none_is_no_page() -> None:
    data = bytearray(tiff(image("u1", 255)))
    (directory,) = np.frombuffer(data, "<u4", 1, 4)
    count = int(data[directory])
    behind = int(directory) + 2 + 12 * count
    for following in (int(directory), 8, 20, len(data), 1 << 31):
        data[behind : behind + 4] = following.to_bytes(4, "little")
        np.testing.assert_allclose(pixels(bytes(data)), expected(image("u1", 255)), atol=2e-6)


def test_tags_that_no_pixel_needs_cost_nothing() -> None:
    values = image("u2", 4095)
    odd = {305: [1] * 9, 700: [7] * 50, 33432: [1], 34665: [1 << 31], 42112: [3, 3]}
    np.testing.assert_array_equal(pixels(tiff(values, tags=odd)), pixels(tiff(values)))


def test_pixels_that_are_not_square_are_told() -> None:
    image = Image.fromarray(ramp())
    square = encoded(image, "TIFF", resolution_unit=2, x_resolution=150.0, y_resolution=150.0)
    pixels(square)
    flat = encoded(image, "TIFF", resolution_unit=2, x_resolution=300.0, y_resolution=150.0)
    with pytest.warns(ImageWarning, match=r"not square \(300 to 150"):
        read_radiograph(flat)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "1"])
def test_colours_of_their_own_are_those_of_pillow(mode: str) -> None:
    image = Image.fromarray(ramp(48, 64)).convert("RGB").convert(mode)
    for compression in (None, "tiff_lzw"):
        data = encoded(image, "TIFF", compression=compression)
        luma = np.asarray(image.convert("RGB")) @ np.array([0.299, 0.587, 0.114]) / 255
        np.testing.assert_allclose(pixels(data), luma, atol=2e-6)


def test_jpeg_and_fax_within_tiff() -> None:
    image = Image.fromarray(ramp(48, 64))
    result = pixels(encoded(image, "TIFF", compression="jpeg"))
    np.testing.assert_allclose(result, ramp(48, 64) / 255, atol=0.03)
    image_of_two = Image.fromarray(ramp(48, 64) > 99)
    for compression in ("group3", "group4"):
        result = pixels(encoded(image_of_two, "TIFF", compression=compression))
        np.testing.assert_array_equal(result, ramp(48, 64) > 99)


@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_damage_within_packed_pixels_is_refused(tile: tuple[int, int] | None) -> None:
    data = tiff(image("u2", 65535), packed=True, tile=tile)
    with pytest.raises(ImageError, match="image: damaged or cut short TIFF file"):
        read_radiograph(data[:40] + bytes(40) + data[80:], "image")
