"""A network over a dataset, from start or from where an earlier session was stopped.

    python -m dsanet_core run synth:seed=7,n=2500 --model dsa_i3d_synth
    torchrun --nproc-per-node 2 -m dsanet_core run videos/ --model mine.safetensors

The folder of a run follows from what is run: weights, dataset, protocol. The same command therefore
goes on with the same run, whatever stopped it. Under torchrun the processes share what is left to
do, all machines writing into one folder that each of them sees.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from dsanet_core.analysis import describe_model, protocol_of
from dsanet_core.datasets import PYAV, Dataset
from dsanet_core.errors import RunError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Run
from dsanet_core.runs.inference import Failure, VideoPrediction, predict_each
from dsanet_core.runs.metrics import OTHER_LABELS, match_categories, summarise
from dsanet_core.runs.store import RunFolder, RunProgress
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run, save_run
from dsanet_core.untrimmed import describe_untrimmed, untrimmed_protocol
from dsanet_core.workers import Workers

FORMAT = 1
FOLDER = Path("runs")
SHARD_SECONDS, SHARD_VIDEOS = 5.0, 256
"""A shard is written after so long or so many videos: what a killed process loses at the most."""
REPORT_SECONDS = 1.0
_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "av", "pyarrow")

ReportProgress = Callable[[RunProgress], None]
"""Called in the first process, about once a second and at the end."""


def run_dataset(
    dataset: Dataset,
    network: VideoNetwork,
    *,
    folder: str | Path = FOLDER,
    untrimmed: bool = False,
    workers: int | None = None,
    report: ReportProgress | None = None,
    command: Sequence[str] = (),
) -> Run:
    """Run every video that has no answer yet, keep the answers, and summarise once all have one.

    folder: where the folders of runs lie. untrimmed: as `analyze_untrimmed`. workers: processes
    that decode beside each network, see `predict_each`. command: what the command line said, for
    whoever resumes. Videos that cannot be read go to the errors table. An interrupt (Ctrl-C) keeps
    what is done.
    Raises DatasetError if a category is not among the network's or no video could be read;
    RunError if another process is at work on the run or the disk takes no more.
    """
    labels = match_categories(dataset.categories, network.spec.classes)
    group = Workers.join(next(network.parameters()).device)
    run_folder = open_run(dataset, network, folder=Path(folder), untrimmed=untrimmed,
                          command=command, group=group)
    if not run_folder.is_finished:
        with ExitStack() as stack:
            if group.rank == 0:
                stack.enter_context(run_folder.locked())
                done = run_folder.done()
                left: list[int] | None = [row for row in range(len(dataset)) if row not in done]
            else:
                left = None
            left = group.share(left)
            _Session(run_folder, dataset, labels, group, report).work(
                predict_each(dataset, left[group.rank :: group.count], network,
                            untrimmed=untrimmed, workers=workers)
            )
            group.wait()
            if group.rank == 0:
                run = summarise(run_folder)
                versions = run.versions | {"device": _device_name(network)}
                save_run(replace(run, versions=versions), run_folder.path / SUMMARY)
            group.wait()
    return load_run(run_folder.path / SUMMARY)


def open_run(
    dataset: Dataset,
    network: VideoNetwork,
    *,
    folder: Path,
    untrimmed: bool,
    command: Sequence[str],
    group: Workers,
) -> RunFolder:
    """The folder of this run, made by the first process; its manifest says what is run."""
    name, manifest = describe_run(dataset, network, untrimmed=untrimmed, command=command)
    if group.rank == 0:
        RunFolder.make(folder / name, manifest)
    group.wait()
    return RunFolder(folder / name)


def describe_run(
    dataset: Dataset, network: VideoNetwork, *, untrimmed: bool, command: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Name of the folder of a run, which follows from what is run, and its manifest."""
    model, protocol = describe_model(network), protocol_of(network)
    in_words = protocol.describe()
    if untrimmed:
        protocol = untrimmed_protocol(network, protocol.group_size)
        in_words = describe_untrimmed(protocol, "1 snippet per second")
    reader = {}
    if dataset.reader != PYAV:  # what it gives of a damaged file may differ
        reader, in_words = {"reader": dataset.reader}, f"{in_words}, read by {dataset.reader}"
    others = ((row, dataset.other_categories(row)) for row in range(len(dataset)))
    identity = {
        "format": FORMAT,
        "dataset_sha256": dataset.fingerprint,
        "weights_sha256": model.weights_sha256,
        "model": model.name,
        "protocol": asdict(protocol),
        "untrimmed": untrimmed,
        **reader,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    # Names of networks come from checkpoints, and those from anywhere.
    network_name, name = (
        re.sub(r"[^A-Za-z0-9_]+", "-", text)[-40:].strip("-") for text in (model.name, dataset.name)
    )
    return f"{network_name}-{name}-{digest[:10]}", identity | {
        "dataset": dataset.name,
        "opened_as": dict(dataset.arguments),
        "videos": len(dataset),
        "missing": len(dataset.missing),
        OTHER_LABELS: {
            row: match_categories(names, network.spec.classes).tolist() for row, names in others
            if names
        },
        "groups": {name: list(members) for name, members in dataset.groups.items()},
        "model": asdict(model),
        "protocol_in_words": in_words,
        "versions": _versions(),
        "command": list(command),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


class _Session:
    """One process at work: what it has answered and not yet written, and how far all are."""

    def __init__(
        self,
        folder: RunFolder,
        dataset: Dataset,
        labels: Any,
        group: Workers,
        report: ReportProgress | None,
    ) -> None:
        self.folder, self.dataset, self.labels = folder, dataset, labels
        self.is_first = group.rank == 0
        self.report = report
        self.predictions: list[VideoPrediction] = []
        self.failures: list[Failure] = []
        self.started: float | None = None
        self.written = self.reported = time.monotonic()
        self.before = sum(folder.counts())

    def work(self, outcomes: Any) -> None:
        try:
            for outcome in outcomes:
                if isinstance(outcome, VideoPrediction):
                    self.predictions.append(outcome)
                else:
                    self.failures.append(outcome)
                now = time.monotonic()
                if self.started is None:  # what came before it was getting ready
                    self.started, self.before = now, self.before + 1
                waiting = len(self.predictions) + len(self.failures)
                if waiting >= SHARD_VIDEOS or now - self.written >= SHARD_SECONDS:
                    self.write()
                if self.is_first and now - self.reported >= REPORT_SECONDS:
                    self.say()
        except (KeyboardInterrupt, RunError):  # stopped, or a process that decodes has died
            self.write()
            raise
        self.write()
        if self.is_first:
            self.say()

    def write(self) -> None:
        """Keep what has been answered: two shards at the most."""
        self.written = time.monotonic()
        if self.predictions:
            rows = [answer.row for answer in self.predictions]
            self.folder.write(self.predictions, self._names(rows), self.labels[rows])
            self.predictions = []
        if self.failures:
            self.folder.write_failures(self.failures, self._names([f.row for f in self.failures]))
            self.failures = []

    def say(self) -> None:
        """Report how far all processes are."""
        self.reported = time.monotonic()
        answered, failed = self.folder.counts()
        failed += len(self.failures)
        done = answered + failed + len(self.predictions)
        spent = 0.0 if self.started is None else self.reported - self.started
        rate = (done - self.before) / spent if spent > 0 else 0.0
        progress = RunProgress(
            done=done,
            failed=failed,
            total=self.folder.total,
            rate=rate,
            seconds_left=(self.folder.total - done) / rate if rate > 0 else None,
            process=os.getpid(),
            host=socket.gethostname(),
            updated=time.time(),
        )
        self.folder.report(progress)
        if self.report is not None:
            self.report(progress)

    def _names(self, rows: Sequence[int]) -> list[str]:
        return [self.dataset.video_name(row) for row in rows]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # such as OpenCV under another package's name
    return found


def _device_name(network: VideoNetwork) -> str:
    device = next(network.parameters()).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
