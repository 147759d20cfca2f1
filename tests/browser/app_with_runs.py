"""The app with its runs in the folder that the environment variable RUNS names."""

import os
import runpy
from pathlib import Path

from app.dataset import runs

runs.FOLDER = Path(os.environ["RUNS"])
runpy.run_path(str(Path(__file__).parents[2] / "streamlit_app.py"), run_name="__main__")
