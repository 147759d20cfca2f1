"""An analysis, or two set against each other, as one HTML file that needs nothing else.

The file holds its figures, the library that draws them and its data. A content security policy
forbids it every request, and every script but its own two.
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
    """One analysis, or two of one video set against each other, as a page; the same records give
    the same text.

    truth: the video's category, if known. accuracies: measured figures as of `Weights.accuracy`,
    by the sha256 of the weights. attributions: each is shown with the analysis of its network;
    effects: of the first analysis. Raises ValueError for another
    number of analyses, and for analyses of different videos.
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
    """`report_to_html` as a file, in place of one that is there; its path.

    choices: as of `report_to_html`. Raises RecordError for a name that does not end in .html.
    """
    target = check_name(Path(path))
    atomic.write_text(target, report_to_html(analyses, **choices))
    return target


def check_name(path: Path) -> Path:
    """The path of a report, unless it could be that of something else."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise RecordError(
            f"a report named {path.name!r}", "a name that ends in .html", "Name the file so."
        )
    return path


def report_name(analyses: Sequence[Analysis]) -> str:
    """What a report's file is called that nobody named: the video and the networks."""
    parts = [Path(analyses[0].video.name).stem, *(each.model.name for each in analyses)]
    safe = (re.sub(r"[^\w.-]+", "-", part).strip("-.") or "video" for part in parts)
    return f"{'_'.join(safe)}.html"


def _one_line(value: object) -> object:
    """What came from outside may hold line breaks, control characters and lone surrogates."""
    return printable(value) if type(value) is str else value


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
