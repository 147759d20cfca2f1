"""Fresh Python processes of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_python(*arguments: str) -> str:
    """What a fresh interpreter prints, run with these arguments until its end. Raises
    CalledProcessError where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return done.stdout.strip()


def ask_section(section: str, code: str) -> str:
    """What a fresh process prints that runs a line of code with the module of a section at hand."""
    return run_python("-c", f"from tools.bench import {section}; {code}")
