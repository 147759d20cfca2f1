"""Pure functions from a record to a Plotly figure."""

from dsanet_core.figures.compare import compare_snippets, disagreement
from dsanet_core.figures.kernels import kernel_distances, kernel_heatmap, kernel_ternary, tap_names
from dsanet_core.figures.scores import snippet_timeline, top_bars

__all__ = [
    "compare_snippets",
    "disagreement",
    "kernel_distances",
    "kernel_heatmap",
    "kernel_ternary",
    "snippet_timeline",
    "tap_names",
    "top_bars",
]
