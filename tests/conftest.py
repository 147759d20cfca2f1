"""How the tests are shared out among processes, where there are several of them (`pytest -n 2`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.clips import save_clip

WALKS = "tests/browser/"

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process has a core of its own, and so have the processes that it starts.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file stay together, and so do all walks: no two browsers at a time."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return WALKS if nodeid.startswith(WALKS) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # the order is that of the items
    return Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Walks come first where there are several processes: they take longest."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not item.nodeid.startswith(WALKS))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of four seconds, 128 x 96."""
    return save_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 1, seed=5, size=(96, 128))
