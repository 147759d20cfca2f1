"""The pages of DSANet Lens in Streamlit."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE_FOLDER = ROOT / "app" / "pages"


def python_path() -> str:
    """PYTHONPATH of a process of its own that imports this project."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
