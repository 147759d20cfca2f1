"""Runs under stress, measured from outside: `python -m tools.stress_runs CHECK [CHECK ...]`.

    kill        SIGKILL at 20 random moments, the same command again each time
    disk        a file system that fills up, and is given room (needs the right to mount)
    ranks       one process against two under torchrun, one core each: same table, how much faster
    nodes       two nodes on this machine, each with one process
    elastic     a process under torchrun killed, torchrun starts them again
    throughput  decoding alone, network alone, and both at once, one core each, in turns

The first five end with a table equal to that of a run that nothing stopped, or fail.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

DATASET = "synth:seed=7,n=1500"
MODEL = "sda_tsn_synth"
KILLS = 20
BUSY_SECONDS = (2.0, 9.0)
"""When a run is killed: loading the network takes the first seconds."""
PORT = 29511


def command(runs: Path, model: str = MODEL, dataset: str = DATASET) -> list[str]:
    return ["-m", "dsanet_core", "run", dataset, "--model", model, "--runs", str(runs)]


def torchrun(*options: str, pinned: bool = False) -> list[str]:
    """pinned: each process to the core of its local rank."""
    launcher = [sys.executable, "-m", "torch.distributed.run", *options]
    if pinned:
        script = f'exec taskset -c $LOCAL_RANK "{sys.executable}" "$@"'
        return [*launcher, "--no-python", "sh", "-c", script, "sh"]
    return launcher


def start(arguments: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
    """A process in a group of its own, one thread per network."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL,
                            start_new_session=True, **more)


def finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise SystemExit(f"failed: {process.args!r}")


def read(runs: Path) -> tuple[Any, Any]:
    """All that the one run in a folder found, but its times."""
    from dsanet_core.runs.store import RunFolder

    (path,) = (path.parent for path in runs.glob("*/run.json"))
    folder = RunFolder(path)
    return folder.read().drop_columns(["decode_seconds", "network_seconds"]), folder.errors()


def compare(runs: Path, expected: tuple[Any, Any], what: str) -> None:
    table, errors = read(runs)
    rows = table["row"].to_pylist()
    if len(rows) != len(set(rows)) or not table.equals(expected[0]) or errors != expected[1]:
        raise SystemExit(f"{what}: another table than that of a run that nothing stopped")
    print(f"{what}: {len(rows)} videos, the table equals that of an uninterrupted run", flush=True)


def whole(root: Path) -> tuple[Any, Any]:
    runs = root / "whole"
    if not runs.exists():
        finish(start([sys.executable, *command(runs)]))
    return read(runs)


def check_kill(root: Path) -> None:
    expected, runs, chance = whole(root), root / "killed", random.Random(0)
    kills, progress = 0, []
    while kills < KILLS:
        process = start([sys.executable, *command(runs)])
        try:
            process.wait(chance.uniform(*BUSY_SECONDS))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            progress.append(len(read(runs)[0]) if list(runs.glob("*/run.json")) else 0)
        else:  # finished before its turn: the rest of the kills hit a run from its start
            compare(runs, expected, f"finished after {kills} kills")
            shutil.rmtree(runs)
    finish(start([sys.executable, *command(runs)]))
    compare(runs, expected, f"killed {kills} times, kept at the kills {progress}")


def check_disk(root: Path) -> None:
    expected, runs = whole(root), root / "full"
    runs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(runs)], check=True)
    try:
        process = start([sys.executable, *command(runs)], stderr=subprocess.PIPE)
        _, errors = process.communicate()
        print(f"full disk: exit code {process.returncode}, "
              f"{len(read(runs)[0])} videos kept: {errors.decode().strip().splitlines()[-1]}")
        subprocess.run(["mount", "-o", "remount,size=1g", str(runs)], check=True)
        finish(start([sys.executable, *command(runs)]))
        compare(runs, expected, "after the disk was given room")
    finally:
        subprocess.run(["umount", str(runs)], check=True)


def check_ranks(root: Path) -> None:
    expected = whole(root)
    seconds: dict[int, list[float]] = {}
    for count in (1, 2, 1, 2):
        runs = root / f"ranks{count}"
        shutil.rmtree(runs, ignore_errors=True)
        began = time.monotonic()
        launcher = torchrun("--standalone", "--nproc-per-node", str(count), pinned=True)
        finish(start([*launcher, *command(runs)]))
        seconds.setdefault(count, []).append(time.monotonic() - began)
        compare(runs, expected, f"{count} processes, {seconds[count][-1]:.1f} s")
    print(f"two processes are {min(seconds[1]) / min(seconds[2]):.2f} times as fast as one, "
          "start included")


def check_nodes(root: Path) -> None:
    expected, runs = whole(root), root / "nodes"
    options = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d",
               "--rdzv-endpoint", f"localhost:{PORT}", "--rdzv-id", "lens"]
    nodes = [start([*torchrun(*options), *command(runs)]) for _ in range(2)]
    for node in nodes:
        finish(node)
    compare(runs, expected, "two nodes")


def check_elastic(root: Path) -> None:
    expected, runs = whole(root), root / "elastic"
    options = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "3"]
    process = start([*torchrun(*options), *command(runs)])
    for _ in range(2):
        time.sleep(9)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    finish(process)
    compare(runs, expected, "two of the processes killed, torchrun began again")


def check_throughput(root: Path) -> None:
    """Files of 10 s, 340x256, H.264: what decodes and what computes each has one core."""
    import torch

    from dsanet_core.analysis import protocol_of, run_network
    from dsanet_core.datasets import open_dataset
    from dsanet_core.errors import VideoError
    from dsanet_core.inference import prepare
    from dsanet_core.runs import inference
    from dsanet_core.zoo import create_model
    from tools.bench.clips import write_clip

    torch.set_num_threads(1)
    folder = root / "clips" / "anything"
    folder.mkdir(parents=True)
    clip = write_clip(folder / "0.mp4")
    for index in range(1, 40):
        shutil.copy(clip, folder / f"{index}.mp4")
    dataset = open_dataset(str(folder.parent))
    pin_network_and_workers()
    rows = range(len(dataset))
    for name in ("tsn_synth", "dsa_i3d_synth", "tsn_r18"):
        network = prepare(create_model(name))
        protocol = protocol_of(network)
        (_, views, _), *_ = inference.network_inputs(dataset, [0], protocol, 0)
        if isinstance(views, VideoError):
            raise views
        rates: dict[str, list[float]] = {"decode": [], "network": [], "both": []}
        for _ in range(3):
            rates["decode"].append(_rate(inference.network_inputs(dataset, rows, protocol, 1)))
            rates["network"].append(_rate(run_network(network, views) for _ in rows))
            rates["both"].append(
                _rate(inference.predict_each(dataset, rows, network, workers=1))
            )
        decode, alone, both = (statistics.median(values) for values in rates.values())
        print(f"{name}: decoding alone {decode:.1f}, network alone {alone:.1f}, both "
              f"{both:.1f} videos/s: {both / min(decode, alone):.0%} of the slower")


def pin_network_and_workers() -> None:
    """Pin this process to one core and the worker processes of a run to another.

    Workers are forks of one server process and inherit the core on which it was started. Exits
    where there is one core only, or where a worker is found elsewhere.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("throughput needs two cores")
    forkserver.set_forkserver_preload(["dsanet_core.runs.inference"])
    os.sched_setaffinity(0, {cores[1]})
    forkserver.ensure_running()
    os.sched_setaffinity(0, {cores[0]})
    with get_context("forkserver").Pool(1) as workers:
        found = workers.apply(os.sched_getaffinity, (0,))
    if found != {cores[1]}:
        sys.exit(f"workers run on cores {found}, expected {cores[1]} alone")


def _rate(work: Any) -> float:
    """Items per second, from the first on: starting processes is not decoding."""
    items = iter(work)
    next(items)
    began, count = time.perf_counter(), sum(1 for _ in items)
    return count / (time.perf_counter() - began)


CHECKS = {
    "kill": check_kill, "disk": check_disk, "ranks": check_ranks, "nodes": check_nodes,
    "elastic": check_elastic, "throughput": check_throughput,
}


if __name__ == "__main__":
    if not sys.argv[1:] or not set(sys.argv[1:]) <= set(CHECKS):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        for name in sys.argv[1:]:
            CHECKS[name](Path(scratch))
