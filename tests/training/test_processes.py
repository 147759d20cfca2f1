"""Several processes, and processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small import EXACT, TINY, trained

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
PROGRAM = "tests.training.programs"


@pytest.fixture
def one_thread() -> None:
    """Sums of floats depend on how many threads make them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_two_processes_of_torchrun_learn_as_one(tmp_path: Path, one_thread: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *TORCHRUN, PROGRAM, "exact", str(tmp_path)],
        capture_output=True, text=True, timeout=300, cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("epoch 4/4") == 1, "one process speaks for both"
    losses = [json.loads((tmp_path / f"losses{rank}.json").read_text()) for rank in (0, 1)]
    weights = [torch.load(tmp_path / f"weights{rank}.pt", weights_only=True) for rank in (0, 1)]
    alone, curve, _ = trained(replace(EXACT, epochs=4))
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], curve, atol=1e-5)
    assert max(curve) - min(curve) > 0.02
    for name, parameter in alone.named_parameters():
        assert torch.equal(weights[0][name], weights[1][name]), name
        assert torch.allclose(weights[0][name], parameter, atol=1e-5), name


def test_a_training_that_was_killed_within_an_epoch_continues_the_same_curve(
    tmp_path: Path, one_thread: None
) -> None:
    recipe, state = replace(TINY, epochs=3), tmp_path / "state.pt"
    victim = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, "killed", str(tmp_path), "0.05"],
        stdout=subprocess.DEVNULL, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        deadline = time.monotonic() + 120
        while not state.exists() and victim.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    kept = torch.load(state, weights_only=True)["losses"]
    whole, curve, _ = trained(recipe)
    rest, continued, lines = trained(recipe, state_path=state)
    assert 0 < len(kept) < len(curve) == 6
    assert lines[0].startswith("continuing after epoch")
    assert continued == curve and continued[: len(kept)] == kept
    pairs = zip(whole.state_dict().values(), rest.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
