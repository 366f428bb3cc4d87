"""The score of a heat-map method: a row of the comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodScore:
    """Means of one method on one expert over n_images, each with its chance level.

    *_low, *_high: 95 % interval by bootstrap over patients. iou: of the pixels above half of the
    map's own maximum, for every method, because only the built-in map has a unit. milliseconds:
    median time of one image, including the network.
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
