"""Where weights lie: `checkpoints.FOLDER` and `checkpoints.USER_FOLDER`, which a process may set.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "checkpoints"
"""Where the embedded weights and their manifest lie."""
USER_FOLDER = ROOT / "weights"
"""Where checkpoints of users lie, each with its entry."""


def embedded_folder() -> Path:
    return Path(import_module(__package__).FOLDER)


def user_folder() -> Path:
    return Path(import_module(__package__).USER_FOLDER)
