"""The values the rooms hand to each other: frozen, numpy only, refusing nonsense when made."""

from __future__ import annotations

from dsanet_core.records.analysis import Analysis
from dsanet_core.records.base import Array, best_of
from dsanet_core.records.inside import Aggregation, Kernel, Selection
from dsanet_core.records.model import CONSENSUS, Familiarity, Model, Protocol
from dsanet_core.records.run import DISTANCES, Calibration, Layers, Run
from dsanet_core.records.video import Clips, Frames, Sampling, ShortVideoPolicy, Video

__all__ = [
    "CONSENSUS",
    "DISTANCES",
    "Aggregation",
    "Analysis",
    "Array",
    "Calibration",
    "Clips",
    "Familiarity",
    "Frames",
    "Kernel",
    "Layers",
    "Model",
    "Protocol",
    "Run",
    "Sampling",
    "Selection",
    "ShortVideoPolicy",
    "Video",
    "best_of",
]
