"""The pages of DSANet Lens in Streamlit."""

import os
from pathlib import Path

ROOT = Path(__file__).parent.parent


def page_file(name: str) -> Path:
    """The script of a page: `pages/NAME.py`, or `pages/NAME/page.py` of a large one."""
    pages = ROOT / "app" / "pages"
    folder = pages / name
    return folder / "page.py" if folder.is_dir() else pages / f"{name}.py"


def python_path() -> str:
    """PYTHONPATH of a process of its own that imports this project."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
