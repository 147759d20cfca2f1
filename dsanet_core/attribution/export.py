"""An attribution as CSV and JSON, for tables and other programs."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from dsanet_core.records import Analysis, Attribution, Clips
from dsanet_core.serialize import CsvTable


def attribution_to_csv(seen: Analysis | Clips, attribution: Attribution) -> str:
    """One row per frame that a snippet saw, with its share in the logit; snippets and frames count
    from 1, video_frame from 0."""
    out = io.StringIO()
    table = CsvTable(out)
    table.writerow(["snippet", "frame", "video_frame", "seconds", "share_logit"])
    for (snippet, frame), share in np.ndenumerate(attribution.per_frame):
        table.writerow([
            snippet + 1, frame + 1, int(seen.frame_index[snippet, frame]),
            f"{seen.pts_seconds[snippet, frame]:.4f}", f"{share:.6g}",
        ])  # fmt: skip
    return out.getvalue()


def attribution_to_dict(seen: Analysis | Clips, attribution: Attribution) -> dict[str, Any]:
    """JSON values without the maps: what is explained, and shares per snippet and frame."""
    return {
        "video": {"name": attribution.video.name, "sha256": attribution.video.sha256},
        "model": attribution.model.name,
        "weights_sha256": attribution.model.weights_sha256,
        "protocol": attribution.protocol.describe(),
        "method": attribution.method,
        "category": attribution.model.classes[attribution.category],
        "snippet": None if attribution.snippet is None else attribution.snippet + 1,
        "logit": attribution.score,
        "baseline_logit": attribution.baseline_score,
        "baseline": attribution.baseline,
        "completeness_error": attribution.completeness_error,
        "seconds": attribution.seconds,
        "video_frame": seen.frame_index.tolist(),
        "pts_seconds": seen.pts_seconds.round(4).tolist(),
        "per_snippet": attribution.per_snippet.round(6).tolist(),
        "per_frame": attribution.per_frame.round(6).tolist(),
    }


def attribution_to_json(seen: Analysis | Clips, attribution: Attribution) -> str:
    """`attribution_to_dict` with the maps (views, frames, h, w), in logits."""
    maps = attribution.maps.astype(np.float64).round(6).tolist()
    return json.dumps({**attribution_to_dict(seen, attribution), "maps": maps}, allow_nan=False)
