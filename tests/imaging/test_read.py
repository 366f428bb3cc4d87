"""Every kind of image file, good and bad."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import encoded, grey_tiff, png16, png_header, ramp
from PIL import ExifTags, Image

from ulna.dicom.limits import MAX_PIXELS
from ulna.errors import ImageError, ImageWarning
from ulna.imaging import read as read_module
from ulna.imaging import read_radiograph

GREY = ramp()
REAL = Path("../shared/data")


def pixels(data: bytes) -> np.ndarray:
    result = read_radiograph(data, "image")
    assert result.pixels.dtype == np.float32 and result.source == "image"
    assert result.pixels.min() >= 0 and result.pixels.max() <= 1
    return result.pixels


def test_grey_png_is_exact() -> None:
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(GREY))), GREY / np.float32(255))


@pytest.mark.parametrize("top", [255, 256, 1000, 4095, 4096, 65535])
def test_16_bit_png_is_scaled_and_not_clipped(top: int) -> None:
    values = np.linspace(0, top, 32 * 40).reshape(32, 40).astype(np.uint16)
    result = pixels(png16(values))
    full = 2 ** max(8, top.bit_length()) - 1
    np.testing.assert_allclose(result, values / full, atol=1e-7)
    assert len(np.unique(result)) == len(np.unique(values))


def test_palette_png_shows_its_colours_and_not_its_indices() -> None:
    image = Image.fromarray(GREY).convert("P")
    image.putpalette([v for i in range(256) for v in (255 - i, 255 - i, 255 - i)])
    np.testing.assert_allclose(pixels(encoded(image)), 1 - GREY / 255, atol=1e-6)


def test_palette_png_with_a_transparent_entry() -> None:
    image = Image.fromarray(GREY).convert("P")
    image.putpalette([v for i in range(256) for v in (i, i, i)])
    with pytest.warns(ImageWarning, match="transparent"):
        result = pixels(encoded(image, transparency=255))
    assert result[-1, -1] == 0 and result.max() == np.float32(254 / 255)


def test_grey_png_with_a_transparent_level() -> None:
    with pytest.warns(ImageWarning, match="transparent"):
        assert pixels(encoded(Image.fromarray(GREY), transparency=255))[-1, -1] == 0


def test_opaque_rgba_and_la_are_silent() -> None:
    for mode in ("RGBA", "LA"):
        result = pixels(encoded(Image.fromarray(GREY).convert(mode)))
        np.testing.assert_allclose(result, GREY / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_black_with_a_warning(mode: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    image.putalpha(Image.fromarray(np.full_like(GREY, 51)))
    with pytest.warns(ImageWarning, match="image: transparent pixels"):
        result = pixels(encoded(image))
    np.testing.assert_allclose(result, GREY / 255 * 0.2, atol=1e-6)


def test_alpha_over_black_does_not_matter() -> None:
    grey = GREY.copy()
    grey[:4] = 0
    alpha = np.full_like(grey, 255)
    alpha[:4] = 0
    image = Image.fromarray(grey).convert("LA")
    image.putalpha(Image.fromarray(alpha))
    np.testing.assert_allclose(pixels(encoded(image)), grey / 255, atol=1e-6)


def test_colour_becomes_luma() -> None:
    colour = np.zeros((20, 20, 3), np.uint8)
    colour[:, :10] = (255, 0, 0)
    colour[:, 10:] = (0, 255, 0)
    result = pixels(encoded(Image.fromarray(colour)))
    np.testing.assert_allclose(result[0, [0, 19]], [0.299, 0.587], atol=1e-6)


def test_one_bit_png() -> None:
    bits = GREY > 100
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(bits))), bits)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(mode: str) -> None:
    image = Image.fromarray(GREY).convert("RGB").convert(mode)
    result = pixels(encoded(image, "JPEG", quality=95))
    np.testing.assert_allclose(result, GREY / 255, atol=0.05)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff(compression: str | None) -> None:
    data = encoded(Image.fromarray(GREY), "TIFF", compression=compression)
    np.testing.assert_array_equal(pixels(data), GREY / np.float32(255))
    wide = Image.fromarray(GREY.astype(np.uint16) * 16)
    np.testing.assert_allclose(
        pixels(encoded(wide, "TIFF")), GREY * np.float64(16) / 4095, atol=1e-6
    )


def test_float_tiff_in_range_is_read_and_others_are_refused() -> None:
    unit = (GREY / 255).astype(np.float32)
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(unit), "TIFF")), unit)
    for bad in (unit * 7, unit - 1):
        with pytest.raises(ImageError, match="32-bit pixels"):
            read_radiograph(encoded(Image.fromarray(bad), "TIFF"))
    holed = unit.copy()
    holed[3, 3] = np.nan
    with pytest.raises(ImageError):
        read_radiograph(encoded(Image.fromarray(holed), "TIFF"))


def test_first_of_several_frames_with_a_warning() -> None:
    more = [Image.fromarray(255 - GREY)]
    data = encoded(Image.fromarray(GREY), "TIFF", save_all=True, append_images=more)
    with pytest.warns(ImageWarning, match="2 frames: only the first"):
        np.testing.assert_array_equal(pixels(data), GREY / np.float32(255))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_cut_short(tmp_path: Path, kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    path = tmp_path / "cut.png"
    path.write_bytes(data[: max(12, int(len(data) * share))])
    with pytest.raises(ImageError, match=r"cut\.png: damaged or cut short"):
        read_radiograph(path)


def test_empty_file_text_file_folder_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image at all")
    for name, message in (
        ("empty.png", r"empty\.png: the file is empty \(0 bytes\)"),
        ("text.png", r"text\.png: begins with b'no image'"),
        ("none.png", r"none\.png: no such file"),
        (".", "a folder: expected the path"),
        ("\0", "cannot be read|no such file"),
    ):
        with pytest.raises(ImageError, match=message):
            read_radiograph(tmp_path / name)


@pytest.mark.parametrize(("kind", "message"), [("WEBP", "WebP"), ("BMP", "BMP"), ("GIF", "GIF")])
def test_a_picture_of_another_kind_is_named(kind: str, message: str) -> None:
    with pytest.raises(
        ImageError, match=f"image: is a {message} picture: expected a PNG, JPEG, TIFF"
    ):
        read_radiograph(encoded(Image.fromarray(GREY), kind), "image")


def test_a_packed_image_is_to_be_unpacked() -> None:
    with pytest.raises(ImageError, match="image: is a packed file .gzip., to be unpacked first"):
        read_radiograph(gzip.compress(encoded(Image.fromarray(GREY))), "image")


def test_the_contents_decide_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(encoded(Image.fromarray(GREY), "JPEG"))
    assert read_radiograph(str(path)).pixels.shape == GREY.shape


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"image: .* too small to be a radiograph.*at least 16 px"):
        read_radiograph(encoded(Image.new("L", size)), "image")


def test_the_smallest_size_is_read() -> None:
    assert pixels(encoded(Image.fromarray(ramp(16, 16)))).shape == (16, 16)


@pytest.mark.parametrize("size", [(20000, 20000), (8001, 8000), (13000, 13000), (2**31 - 1, 1000)])
def test_too_large_is_refused_from_the_header(size: tuple[int, int]) -> None:
    tracemalloc.start()
    with pytest.raises(ImageError, match=f"image: .*expected at most {MAX_PIXELS} px"):
        read_radiograph(png_header(*size), "image")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_too_large_a_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "MAX_BYTES", 100)
    path = tmp_path / "image.png"
    path.write_bytes(encoded(Image.fromarray(GREY)) * 2)
    with pytest.raises(ImageError, match="expected at most 100"):
        read_radiograph(path)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_constant_image_is_a_warning(level: int) -> None:
    with pytest.warns(ImageWarning, match="all pixels are equal"):
        pixels(encoded(Image.new("L", (32, 32), level)))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["PNG", "JPEG", "TIFF"]))
def test_damaged_bytes_end_in_pixels_or_an_image_error(data: st.DataObject, kind: str) -> None:
    content = bytearray(encoded(Image.fromarray(GREY), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = read_radiograph(bytes(content)).pixels
        except ImageError:
            return
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1


def test_real_16_bit_and_jpeg_images() -> None:
    files = sorted((REAL / "grazpedwri/images").glob("*"))
    if not files:
        pytest.skip("real data ../shared/data/grazpedwri is not on this machine")
    for file in files:
        result = read_radiograph(file).pixels
        assert result.max() > 0.5 and np.unique(result).size > 100, file


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "TIFF packed"])
def test_an_orientation_tag_is_told_and_turns_no_pixel(kind: str, turn: int) -> None:
    """Boxes and masks are in the stored pixels; Pillow turns a TIFF, and only that, unasked."""
    image = Image.fromarray(ramp())
    plain = encoded(image, kind.split()[0])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    options: dict[str, object] = {"exif": exif}
    if kind.startswith("TIFF"):
        options = {"tiffinfo": {ExifTags.Base.Orientation.value: turn}}
    if kind == "TIFF packed":
        options["compression"] = "tiff_lzw"
    tagged = encoded(image, kind.split()[0], **options)
    with warnings.catch_warnings(record=True) as reported:
        warnings.simplefilter("always")
        result = read_radiograph(tagged, "an image").pixels
    np.testing.assert_array_equal(result, read_radiograph(plain).pixels)
    assert ["orientation" in str(w.message) for w in reported] == [True] * (turn != 1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_tiff_where_white_is_zero_is_inverted(kind: type, photometric: int) -> None:
    """TIFF 6.0, PhotometricInterpretation; Pillow inverts 8 bits and leaves 16 as they are."""
    scale = np.iinfo(kind).max // 255
    stored = ramp().astype(kind) * kind(scale)
    grey = read_radiograph(grey_tiff(stored, photometric)).pixels
    expected = ramp() / np.float32(255)
    np.testing.assert_allclose(grey, expected if photometric else 1 - expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [("pipe", "a device or pipe"), ("loop", "a link"), ("none", "no such file")],
)
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, name: str, message: str) -> None:
    """To open a pipe that nobody writes to would never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ImageError, match=message):
        read_radiograph(tmp_path / name)
