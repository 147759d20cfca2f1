"""The pages of DSANet Lens in Streamlit."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE_FOLDER = ROOT / "app" / "pages"
