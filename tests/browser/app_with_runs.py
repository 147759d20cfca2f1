"""The app with its runs in the folder that the environment variable RUNS names, and with weights of
users in the one that WEIGHTS names, where it does."""

import os
import runpy
from pathlib import Path

from app.server import runs
from dsanet_core import checkpoints

runs.FOLDER = Path(os.environ["RUNS"])
if "WEIGHTS" in os.environ:
    checkpoints.USER_FOLDER = Path(os.environ["WEIGHTS"])
runpy.run_path(str(Path(__file__).parents[2] / "streamlit_app.py"), run_name="__main__")
