"""Colours stay legible on both pages and apart for colour-blind readers."""

from __future__ import annotations

import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np

from dsanet_core.figures import (
    style,
)

# Machado, Oliveira & Fernandes (2009), "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])
MEANINGFUL = {*style.CATEGORICAL, style.RIGHT, style.WRONG, style.NEUTRAL}


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    dark, light = sorted(float(linear(x) @ [0.2126, 0.7152, 0.0722]) + 0.05 for x in (a, b))
    return light / dark


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ rgb.clip(0, 1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a: str, b: str, vision: str) -> float:
    seen = [lab(VISION[vision] @ linear(colour)) for colour in (a, b)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def test_colours_stand_out_from_both_pages() -> None:
    faint = {
        (colour, page): ratio
        for colour in MEANINGFUL
        for page in (style.LIGHT_PAGE, style.DARK_PAGE)
        if (ratio := contrast(colour, page)) < 3
    }
    assert faint == {}


def test_categories_stay_apart() -> None:
    close = {
        (vision, *pair): apart
        for vision in VISION
        for pair in combinations(style.CATEGORICAL, 2)
        if (apart := distance(*pair, vision)) <= 30
    }
    assert close == {}


def test_right_and_wrong_stay_apart() -> None:
    apart = {vision: distance(style.RIGHT, style.WRONG, vision) for vision in VISION}
    assert {vision: value for vision, value in apart.items() if value <= 30} == {}
    assert style.RIGHT_SYMBOL != style.WRONG_SYMBOL


def test_categories_differ_in_their_symbol_too() -> None:
    assert len(set(style.SYMBOLS)) == len(style.CATEGORICAL) == len(style.SYMBOLS)


def test_the_page_theme_uses_the_palette() -> None:
    config = Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml"
    theme = tomllib.loads(config.read_text())["theme"]
    for side, page in (("light", style.LIGHT_PAGE), ("dark", style.DARK_PAGE)):
        assert theme[side]["backgroundColor"] == page
        assert theme[side]["chartCategoricalColors"] == list(style.CATEGORICAL)
        assert theme[side]["greenColor"] == style.RIGHT
        assert theme[side]["redColor"] == style.WRONG
        for text in ("textColor", "linkColor", "primaryColor"):
            assert contrast(theme[side][text], page) >= 4.5
