"""The colours that carry meaning, the same in every figure, on a light and a dark page.

Each has at least 3:1 contrast against both page backgrounds (WCAG 2.2, graphical objects), and
those that stand side by side stay apart under the three dichromacies; tests hold both. Right and
wrong differ in their symbol too, so that no reading rests on colour alone.
"""

LIGHT_PAGE = "#FFFFFF"
DARK_PAGE = "#0F1419"

CATEGORICAL = ("#0072B2", "#D97706", "#9429FF", "#815931", "#949494")
"""For chosen categories, in the order they were chosen; marker symbols repeat the distinction."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross")

MODEL_A, MODEL_B = CATEGORICAL[:2]

RIGHT, WRONG, NEUTRAL = "#009E73", "#CC3311", "#7F7F7F"
RIGHT_SYMBOL, WRONG_SYMBOL = "✓", "✗"

GRID = "rgba(127,127,127,0.28)"
TRANSPARENT = "rgba(0,0,0,0)"

SEQUENTIAL = "Cividis"
"""Plotly scale for magnitudes: lightness grows evenly, made for colour-blind readers."""
