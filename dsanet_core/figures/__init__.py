"""Pure functions from a record to a Plotly figure."""

from dsanet_core.figures.attribution import (
    heat_frame,
    heat_limit,
    heat_strip,
    importance,
    insertion_deletion,
)
from dsanet_core.figures.block_ablation import (
    block_effects,
    effects_of_blocks,
    effects_of_categories,
)
from dsanet_core.figures.categories import (
    CategoryRow,
    CategoryTable,
    category_accuracy,
    compare_categories,
    most_improved,
    selects,
    shared_rows,
)
from dsanet_core.figures.dependencies import (
    dependency_response,
    dependency_weights,
    gate_maps,
    gate_over_time,
)
from dsanet_core.figures.kernels import kernel_distances, kernel_heatmap, kernel_ternary, tap_names
from dsanet_core.figures.layer_table import all_videos, layer_table
from dsanet_core.figures.layers import layer_curves, layer_map, layer_summary
from dsanet_core.figures.scores import compare_snippets, disagreement, snippet_timeline, top_bars
from dsanet_core.figures.zoo import CostPoint, accuracy_against_cost

__all__ = [
    "CategoryRow",
    "CategoryTable",
    "CostPoint",
    "accuracy_against_cost",
    "all_videos",
    "block_effects",
    "category_accuracy",
    "compare_categories",
    "compare_snippets",
    "dependency_response",
    "dependency_weights",
    "disagreement",
    "effects_of_blocks",
    "effects_of_categories",
    "gate_maps",
    "gate_over_time",
    "heat_frame",
    "heat_limit",
    "heat_strip",
    "importance",
    "insertion_deletion",
    "kernel_distances",
    "kernel_heatmap",
    "kernel_ternary",
    "layer_curves",
    "layer_map",
    "layer_summary",
    "layer_table",
    "most_improved",
    "selects",
    "shared_rows",
    "snippet_timeline",
    "tap_names",
    "top_bars",
]
