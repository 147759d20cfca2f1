"""A `Run` as one small Parquet file: a line per video, everything else in the schema's metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dsanet_core.atomic import atomic_file
from dsanet_core.errors import RecordError
from dsanet_core.json_values import record_from
from dsanet_core.records import Array, Run
from dsanet_core.runs.shards import keeping

FILE = "summary.parquet"
_KEY = b"dsanet-lens run"
_COLUMNS = {
    "row": np.int64,
    "label": np.int32,
    "predicted": np.int32,
    "confidence": np.float32,
    "label_score": np.float32,
    "label_rank": np.int32,
}
_LAYERS = ("selections", "kernels")


def save_run(run: Run, path: Path) -> None:
    """Write a run whole or not at all; `load_run` gives an equal one back. Raises RunError where
    the disk takes no more."""
    columns: dict[str, Any] = {name: getattr(run, name) for name in _COLUMNS}
    columns["video"] = [str(name) for name in run.video]
    facts = asdict(run)
    for name in columns:
        facts.pop(name)
    for name in _LAYERS:
        if facts[name] is not None:
            facts[name] |= {key: _to_lists(facts[name][key]) for key in ("mean", "spread")}
    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(facts)})
    with keeping("The summary", path.parent), atomic_file(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def load_run(path: Path) -> Run:
    """Read what `save_run` wrote. Raises RecordError for anything else."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        facts = json.loads(table.schema.metadata[_KEY])
        columns = {name: table[name].to_numpy().astype(kind) for name, kind in _COLUMNS.items()}
        video = np.array(table["video"].to_pylist(), dtype=object)
        return record_from(Run, facts | columns | {"video": video}, unpack=_from_lists)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path.name} of {path.parent.name} is no run ({type(error).__name__}: {error})",
            "a summary as `python -m dsanet_core run` writes it",
            "Delete the file and give the run's command again: what is done is kept.",
        ) from error


def run_to_dict(run: Run) -> dict[str, Any]:
    """JSON values: accuracies as fractions, protocol also in words, network without its classes."""
    per_class, counts = run.accuracy_per_class(), run.videos_per_class
    model = asdict(run.model)
    model.pop("classes")
    return {
        "run": run.id,
        "dataset": run.dataset,
        "videos": len(run.row),
        "top1": run.accuracy(),
        "top5": run.accuracy(5),
        "mean_average_precision": run.mean_average_precision,
        "categories_left_out": int((counts == 0).sum()),
        "calibration_error": run.calibration().error,
        "per_group": run.accuracy_per_group(),
        "per_category": {
            name: float(per_class[index])
            for index, name in sorted(enumerate(run.classes), key=lambda pair: pair[1])
            if counts[index]
        },
        "failed": [list(pair) for pair in run.failed],
        "model": model,
        "protocol": asdict(run.protocol) | {"in_words": run.protocol_in_words},
        "untrimmed": run.untrimmed,
        "seconds": run.seconds,
        "versions": run.versions,
    }


def _to_lists(values: Array) -> Any:
    """Nested lists with null for what is not a number."""
    return np.where(np.isnan(values), np.array(None), values).tolist()


def _from_lists(values: Any) -> Array:
    """Inverse of `_to_lists`."""
    return np.array(values, np.float64)
