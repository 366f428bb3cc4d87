"""A contact sheet of phantoms, with the outlines of their findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ulna.config.phantom import PhantomConfig
from ulna.phantom.study import PhantomStudy, PhantomView, render_study

_TILE, _COLUMNS = 224, 8


def write_contact_sheet(path: Path, config: PhantomConfig, outlines: bool = True) -> Path:
    """Write every view of the studies of `config` to one captioned PNG, eight in a row."""
    tiles = [
        _tile(study, view, outlines)
        for study in (render_study(config, i) for i in range(config.studies))
        for view in study.views
    ]
    rows = -(-len(tiles) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _TILE, rows * _TILE))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % _COLUMNS * _TILE, i // _COLUMNS * _TILE))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(path, optimize=True)
    return path


def _tile(study: PhantomStudy, view: PhantomView, outlines: bool) -> Image.Image:
    grey = np.repeat(view.pixels[:, :, None], 3, axis=2)
    if outlines and view.mask.any():
        shrunk = max(1, max(view.mask.shape) // _TILE)
        wide = ndimage.binary_dilation(view.mask, iterations=4 * shrunk - 1)
        grey[wide & ~ndimage.binary_dilation(view.mask, iterations=2 * shrunk)] = (255, 120, 0)
    image = Image.fromarray(grey)
    image.thumbnail((_TILE, _TILE - 14))
    tile = Image.new("RGB", (_TILE, _TILE))
    tile.paste(image, ((_TILE - image.width) // 2, 0))
    finding = f"{study.kind} ({study.subtlety}, CNR {view.cnr:.1f})" if study.category else "normal"
    caption = f"{study.plan.body_part.title()} {view.name}: {finding}"
    ImageDraw.Draw(tile).text((3, _TILE - 12), caption, fill=(230, 230, 160))
    return tile
