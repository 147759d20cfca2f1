"""Pure functions from a record to a Plotly figure."""

from dsanet_core.figures.categories import (
    CategoryRow,
    CategoryTable,
    category_accuracy,
    compare_categories,
    most_improved,
    selects,
    shared_rows,
)
from dsanet_core.figures.compare import compare_snippets, disagreement
from dsanet_core.figures.dependencies import (
    dependency_response,
    dependency_weights,
    gate_maps,
    gate_over_time,
)
from dsanet_core.figures.kernels import kernel_distances, kernel_heatmap, kernel_ternary, tap_names
from dsanet_core.figures.scores import snippet_timeline, top_bars
from dsanet_core.figures.zoo import CostPoint, accuracy_against_cost

__all__ = [
    "CategoryRow",
    "CategoryTable",
    "CostPoint",
    "accuracy_against_cost",
    "category_accuracy",
    "compare_categories",
    "compare_snippets",
    "dependency_response",
    "dependency_weights",
    "disagreement",
    "gate_maps",
    "gate_over_time",
    "kernel_distances",
    "kernel_heatmap",
    "kernel_ternary",
    "most_improved",
    "selects",
    "shared_rows",
    "snippet_timeline",
    "tap_names",
    "top_bars",
]
