"""What a heat-map method reached: a row of the comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodScore:
    """One method on one expert, averaged over n_images; each measure beside its chance level.

    *_low, *_high: 95 % interval by bootstrap over patients. iou: of the pixels above half of
    the map's own maximum, for every method alike, because only the built-in map has units.
    milliseconds: median time of one image, network included.
    """

    expert: str
    method: str
    n_images: int
    pointing_game: float
    pointing_game_low: float
    pointing_game_high: float
    pointing_game_chance: float
    energy_inside: float
    energy_inside_low: float
    energy_inside_high: float
    energy_inside_chance: float
    iou: float
    iou_chance: float
    milliseconds: float
