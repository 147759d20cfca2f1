"""Runs on disk for the pages about datasets: real ones of small random networks, made-up ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import runs, settings
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.records import Run
from dsanet_core.runs import run_dataset
from dsanet_core.runs.summary import FILE, save_run

DATASET = "synth:seed=3,n=30"


@pytest.fixture(scope="session")
def real_runs(
    weights_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Run]]:
    """The folder of the runs of two random networks over 30 embedded videos, and the runs."""
    folder = tmp_path_factory.mktemp("runs")
    names = ("i3d_synth", "sda_tsn_synth")
    networks = [load_model(weights_folder / f"{name}.safetensors") for name in names]
    return folder, [
        run_dataset(open_dataset(DATASET), network, folder=folder, workers=0)
        for network in networks
    ]


@pytest.fixture
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder where the app looks for runs; data may lie beside it."""
    monkeypatch.setenv(settings.DATA_VARIABLE, str(tmp_path))
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr(runs, "FOLDER", folder)
    yield folder


def put(folder: Path, *made: Run) -> None:
    """Lay runs into a folder as the engine does."""
    for run in made:
        (folder / run.id).mkdir()
        save_run(run, folder / run.id / FILE)
