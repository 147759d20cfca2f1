"""Colours with a meaning, the same in all figures, for light and dark pages.

Each has at least 3:1 contrast against both page backgrounds (WCAG 2.2, graphical objects), and
neighbouring ones remain distinguishable under the three dichromacies; tests check both. Correct
and incorrect also differ by symbol, so that nothing depends on colour alone.
"""

from collections.abc import Sequence

LIGHT_PAGE = "#FFFFFF"
DARK_PAGE = "#0F1419"

CATEGORICAL = ("#0072B2", "#D97706", "#9429FF", "#815931", "#949494")
"""For chosen classes, in order of choice; marker symbols repeat the distinction."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")

_NAMED = ("LST", "LT", "LS", "S122", "S144", "S222")
_MARKS = [*zip(CATEGORICAL, SYMBOLS, strict=True), ("#DD55FF", "x")]


def dependency_marks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and symbol of each dependency of an SDA block, the same for a name in all figures.

    Dependencies that the paper does not name get the unused ones, which repeat after 6.
    """
    marks = dict(zip(_NAMED, _MARKS, strict=True))
    free = [mark for name, mark in marks.items() if name not in names] or _MARKS
    unnamed = [name for name in names if name not in marks]
    marks |= {name: free[place % len(free)] for place, name in enumerate(unnamed)}
    return {name: marks[name] for name in names}


MODEL_A, MODEL_B = CATEGORICAL[:2]

RIGHT, WRONG, NEUTRAL = "#009E73", "#CC3311", "#7F7F7F"
RIGHT_SYMBOL, WRONG_SYMBOL = "✓", "✗"

GRID = "rgba(127,127,127,0.28)"
TRANSPARENT = "rgba(0,0,0,0)"

SEQUENTIAL = "Cividis"
"""Plotly scale for magnitudes: perceptually uniform, suitable for colour-blind readers."""
DIVERGING = ((0, CATEGORICAL[1]), (0.5, "rgba(127,127,127,0.10)"), (1, CATEGORICAL[0]))
"""Scale for differences: orange below 0, blue above, 0 nearly transparent."""


def faded(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


AGAINST, FOR = CATEGORICAL[1], CATEGORICAL[0]
"""Evidence against and for a class: the ends of `DIVERGING`."""
HEAT = (
    (0, faded(AGAINST, 0.9)), (0.5, faded(AGAINST, 0)),
    (0.5, faded(FOR, 0)), (1, faded(FOR, 0.9)),
)
"""`DIVERGING` as an overlay on images: 0 is transparent."""
