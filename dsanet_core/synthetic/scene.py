"""Scenes of synthetic videos: actors on keyframed tracks, in units of the short side.

Coordinates: x to the right and y downwards from the centre of the frame, 1 = the short side, so
that the square of side 1 around the origin is visible at every frame size. Time runs from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

Track = tuple[tuple[float, float], ...]
Colour = tuple[float, float, float]
ColourTrack = tuple[tuple[float, Colour], ...]
Points = tuple[tuple[float, float], ...]


def _on_grid(value: float) -> float:
    """Round off the last bits of sine and cosine, which differ between C libraries."""
    return round(value * 65536) / 65536


def unit_vector(angle: float) -> tuple[float, float]:
    """(cos, sin) of an angle in turns, the same on every machine."""
    radians = 2 * math.pi * angle
    return _on_grid(math.cos(radians)), _on_grid(math.sin(radians))


def _ring(count: int, *radii: float) -> Points:
    """Corners on circles of the given radii in turn; radius 0.5 spans the unit square."""
    corners = []
    for i in range(count):
        c, s = unit_vector(i / count)
        corners.append((c * radii[i % len(radii)], s * radii[i % len(radii)]))
    return tuple(corners)


SHAPES: dict[str, Points] = {
    "round": _ring(24, 0.5),
    "square": ((-0.45, -0.45), (0.45, -0.45), (0.45, 0.45), (-0.45, 0.45)),
    "box": ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)),
    "triangle": _ring(3, 0.58),
    "star": _ring(10, 0.56, 0.26),
    "hexagon": _ring(6, 0.52),
    "arrow": ((0.55, 0.0), (0.0, -0.5), (0.0, -0.2), (-0.5, -0.2), (-0.5, 0.2), (0.0, 0.2),
              (0.0, 0.5)),
}


def still(value: float) -> Track:
    return ((0.0, value),)


def value_at(track: Track, time: float) -> float:
    """Value of a track: constant outside its keys, eased (3u^2 - 2u^3) between them."""
    if time <= track[0][0]:
        return track[0][1]
    for (t0, v0), (t1, v1) in pairwise(track):
        if time < t1:
            u = (time - t0) / (t1 - t0)
            return v0 + (v1 - v0) * (u * u * (3 - 2 * u))
    return track[-1][1]


def colour_at(track: ColourTrack, time: float) -> Colour:
    red, green, blue = (
        value_at(tuple((t, colour[channel]) for t, colour in track), time) for channel in range(3)
    )
    return red, green, blue


@dataclass(frozen=True)
class Actor:
    """One shape. width, height: its size; angle: in turns; role: "object" (defines the class),
    "prop" (takes part in it), "distractor" or "occluder"."""

    shape: str
    colour: ColourTrack
    x: Track
    y: Track
    width: Track
    height: Track
    angle: Track = ((0.0, 0.0),)
    role: str = "object"
    rim: bool = True


@dataclass(frozen=True)
class Event:
    """An event of the class between two times (0 to 1)."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Scene:
    """Actors from back to front, and the events of the class in order of time."""

    actors: list[Actor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
