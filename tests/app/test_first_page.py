"""What a server does without until its first page is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from streamlit.testing.v1 import AppTest
from app.server import sessions
sessions.START_DELAY_SECONDS = 3600.0  # nothing is made ready for what comes next
sessions.GPU_FILES = ()
page = AppTest.from_file("streamlit_app.py", default_timeout=60).run()
assert not page.exception and page.title[0].value == "Inspect"
assert page.segmented_control, "the samples are there"
heavy = ("torch", "torchvision", "av", "pandas", "safetensors", "captum")
print(*(name for name in heavy if name in sys.modules))
"""


def test_the_first_page_is_drawn_without_torch_and_a_decoder() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
