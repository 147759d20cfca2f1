"""The same command under torchrun: its processes share the work and end in the same table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from dsanet_core.runs import load_run
from dsanet_core.runs.store import RunFolder
from tests.weights import save_tiny

ROOT = Path(__file__).resolve().parents[2]
DATASET = "synth:seed=5,n=30"
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]


def test_two_processes_of_torchrun_give_the_table_of_one(tmp_path: Path) -> None:
    weights = save_tiny(tmp_path, "tsn_synth")
    for launcher, runs in (([], "one"), (TORCHRUN, "two")):
        command = [sys.executable, "-m", *launcher, "dsanet_core", "run", DATASET]
        command += ["--model", str(weights), "--runs", str(tmp_path / runs), "--json"]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.count('"top1"') == 1, "one process speaks for all"
    one, two = (RunFolder(next((tmp_path / name).iterdir())) for name in ("one", "two"))
    times = ["decode_seconds", "network_seconds"]
    assert one.path.name == two.path.name
    assert one.read().drop_columns(times).equals(two.read().drop_columns(times))
    shards = [pq.read_table(path)["row"].to_pylist() for path in two.path.glob("videos.*.parquet")]
    shares = [{row % 2 for row in rows} for rows in shards]
    assert all(len(share) == 1 for share in shares), "no shard is of two processes"
    assert set.union(*shares) == {0, 1}, "each process wrote its share"
    runs = [load_run(folder.path / "summary.parquet") for folder in (one, two)]
    assert runs[0].accuracy() == runs[1].accuracy()
