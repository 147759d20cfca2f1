"""Networks over datasets: every video through the same path as a single one, kept as it is done,
resumable, on one machine or many, and boiled down to a `Run` once all are.

Names are loaded on first use: finished runs are read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsanet_core.lazy import LazyExports

if TYPE_CHECKING:
    from dsanet_core.runs.block_ablation import load_effects, run_effects, save_effects
    from dsanet_core.runs.engine import run_dataset
    from dsanet_core.runs.metrics import mean_average_precision
    from dsanet_core.runs.summary import load_run, save_run

__getattr__ = LazyExports(__name__, __file__).load

__all__ = [
    "load_effects", "load_run", "mean_average_precision", "run_dataset", "run_effects",
    "save_effects", "save_run",
]
