"""Records that packages exchange: frozen dataclasses of numpy arrays that validate themselves."""

from __future__ import annotations

from dsanet_core.records.analysis import Aggregation, Analysis, Kernel, Selection
from dsanet_core.records.attribution import (
    METHOD_NAMES,
    METHODS,
    Attribution,
    Effects,
    Faithfulness,
    Method,
    Rate,
    RunEffects,
    Trust,
)
from dsanet_core.records.base import Array, best_of
from dsanet_core.records.model import PRECISIONS, SNIPPET_MIXING, Familiarity, Model, Protocol
from dsanet_core.records.run import DISTANCES, Calibration, Layers, Run
from dsanet_core.records.video import Clips, Frames, Sampling, ShortVideoPolicy, Video

__all__ = [
    "DISTANCES",
    "METHODS",
    "METHOD_NAMES",
    "PRECISIONS",
    "SNIPPET_MIXING",
    "Aggregation",
    "Analysis",
    "Array",
    "Attribution",
    "Calibration",
    "Clips",
    "Effects",
    "Faithfulness",
    "Familiarity",
    "Frames",
    "Kernel",
    "Layers",
    "Method",
    "Model",
    "Protocol",
    "Rate",
    "Run",
    "RunEffects",
    "Sampling",
    "Selection",
    "ShortVideoPolicy",
    "Trust",
    "Video",
    "best_of",
]
