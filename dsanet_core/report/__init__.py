"""One analysis, or a comparison of two, as a self-contained HTML file.

The file holds its figures, the library that draws them and its data. Its content security policy
forbids all requests and all scripts but its own two.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsanet_core import atomic
from dsanet_core.errors import RecordError, printable
from dsanet_core.records import Analysis, Attribution, Effects
from dsanet_core.version import VERSION

_HERE = Path(__file__).parent


def report_to_html(
    analyses: Sequence[Analysis],
    *,
    attributions: Sequence[Attribution] = (),
    effects: Effects | None = None,
    truth: str | None = None,
    accuracies: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """HTML text for one analysis, or two of one video; equal records give equal text.

    truth: the video's class, if known. accuracies: measured figures as in `Weights.accuracy`, by
    the sha256 of the weights. attributions: each is shown with the analysis of its model; effects:
    of the first analysis. Raises ValueError for another number of analyses, and for analyses of
    different videos.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    from dsanet_core.report.content import Contents

    videos = {(each.video.sha256, each.video.name) for each in analyses}
    if len(analyses) not in (1, 2) or len(videos) != 1:
        found = f"{len(analyses)} analyses of {len(videos)} videos"
        raise ValueError(f"{found}; expected 1 or 2 of one")
    contents = Contents(analyses, truth, accuracies or {})
    contents.add_all(attributions, effects)
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_one_line,
    )
    scripts = [get_plotlyjs(), (_HERE / "page.js").read_text(encoding="utf-8")]
    return environment.get_template("page.html").render(
        contents=contents,
        version=VERSION,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
        scripts=list(map(Markup, scripts)),
        script_hashes=" ".join(f"'sha256-{_sha256(script)}'" for script in scripts),
    )


def write_report(path: str | Path, analyses: Sequence[Analysis], **choices: Any) -> Path:
    """Write `report_to_html` to a file, replacing an existing one; returns its path.

    choices: as in `report_to_html`. Raises RecordError for a name that does not end in .html.
    """
    target = check_name(Path(path))
    atomic.write_text(target, report_to_html(analyses, **choices))
    return target


def check_name(path: Path) -> Path:
    """The path itself. Raises RecordError for a name that does not end in .html or .htm."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise RecordError(
            f"a report named {path.name!r}", "a name that ends in .html", "Choose such a name."
        )
    return path


def report_name(analyses: Sequence[Analysis]) -> str:
    """Default file name of a report: the video and the models."""
    parts = [Path(analyses[0].video.name).stem, *(each.model.name for each in analyses)]
    safe = (re.sub(r"[^\w.-]+", "-", part).strip("-.") or "video" for part in parts)
    return f"{'_'.join(safe)}.html"


def _one_line(value: object) -> object:
    """Text without the line breaks, control characters and lone surrogates of untrusted names."""
    return printable(value) if type(value) is str else value


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
