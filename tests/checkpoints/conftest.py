from __future__ import annotations

from pathlib import Path

import pytest

from dsanet_core import checkpoints


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for checkpoints of users, not yet made."""
    monkeypatch.setattr(checkpoints, "USER_FOLDER", tmp_path / "users")
    return tmp_path / "users"
