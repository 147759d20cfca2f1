"""Edits of a video or of blocks, the predictions they lead to, and block ablation."""

from __future__ import annotations

from dsanet_core.whatif.block_ablation import (
    neutral_changes,
    rank_blocks,
    scores_without,
    shown_then,
    what_if,
)
from dsanet_core.whatif.changes import (
    AverageKernel,
    BlockChange,
    Change,
    Drop,
    EqualWeights,
    Freeze,
    GateOff,
    IdentityKernel,
    InputChange,
    OneDependency,
    OtherKernel,
    Repeat,
    Reverse,
    ReverseTime,
    Shuffle,
    SwapHalves,
    parse_change,
)

__all__ = [
    "AverageKernel", "BlockChange", "Change", "Drop", "EqualWeights", "Freeze", "GateOff",
    "IdentityKernel", "InputChange", "OneDependency", "OtherKernel", "Repeat", "Reverse",
    "ReverseTime", "Shuffle", "SwapHalves", "neutral_changes", "parse_change", "rank_blocks",
    "scores_without", "shown_then", "what_if",
]
