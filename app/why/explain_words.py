"""Sentences and exports of the page Explain. Pure functions of records."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np

from app.words import escape, percent, snippet_word
from dsanet_core.figures.style import span_text
from dsanet_core.records import (
    METHOD_NAMES,
    METHODS,
    Analysis,
    Attribution,
    Faithfulness,
    Method,
    Rate,
    Trust,
)

WHOLE_VIDEO = ""
CROPS = ("left or top", "middle", "right or bottom")
_METHODS: dict[Method, str] = {
    "integrated_gradients": "gradients gathered on the way from an empty video to this one; the "
    "shares of all pixels add up to the difference of the logit.",
    "grad_cam": "which places of the last features the category leans on; quick and coarse.",
    "occlusion": "how much the logit falls when a small piece of space and time is covered.",
    "ablation": "how much it falls without a frame or a snippet; says when, never where.",
}
METHODS_HELP = "\n".join(f"- {METHOD_NAMES[name]}: {what}" for name, what in _METHODS.items())


def not_offered(trust: Mapping[str, Mapping[Method, Trust]]) -> str:
    """Which methods are refused for which network, and why; "" where all are offered.

    trust: of `trust_of`, by the name of the network.
    """
    sentences = []
    for model, known in trust.items():
        for method in METHODS:
            if method in known and not known[method].is_offered:
                found = known[method]
                sentences.append(
                    f"{METHOD_NAMES[method]} is not offered for {escape(model)}: putting in what "
                    "it calls important, and taking it away, moves the answer no more than random "
                    f"orders do ({_signed(found.gain, 2)} against "
                    f"{_signed(found.random_gain, 2)} on {found.gain_videos} videos)."
                )
    return " ".join(sentences)


def level(analysis: Analysis, option: str) -> str:
    """What a choice of the level is called."""
    if option == WHOLE_VIDEO:
        return "The whole video"
    snippet = int(option) - 1
    seconds = analysis.pts_seconds[snippet]
    word = analysis.protocol.snippet_word.capitalize()
    return f"{word} {option}, {span_text(float(seconds.min()), float(seconds.max()))}"


def moment(analysis: Analysis, option: str) -> str:
    """What a choice of a frame is called; frames are counted through all snippets, from 1."""
    snippet, frame = place_of(analysis, option)
    seconds = f"{analysis.pts_seconds[snippet, frame]:.2f} s"
    if analysis.protocol.snippet_word == "frame":
        return f"Frame {option} · {seconds}"
    return f"Snippet {snippet + 1}, frame {frame + 1} · {seconds}"


def place_of(analysis: Analysis, option: str) -> tuple[int, int]:
    """Snippet and frame of a choice of a frame."""
    snippet, frame = divmod(int(option) - 1, analysis.protocol.sampling.frames_per_snippet)
    return snippet, frame


def same_moment(a: Analysis, b: Analysis, place: tuple[int, int]) -> tuple[int, int]:
    """The frame of the second that is nearest in time to one of the first."""
    if np.array_equal(a.frame_index, b.frame_index):
        return place
    apart = np.abs(b.pts_seconds - a.pts_seconds[place])
    snippet, frame = np.unravel_index(int(apart.argmin()), apart.shape)
    return int(snippet), int(frame)


def lead(attribution: Attribution) -> str:
    """What is explained, and how much there is to explain."""
    what = "the video" if attribution.snippet is None else f"snippet {attribution.snippet + 1}"
    category = escape(attribution.model.classes[attribution.category])
    name = escape(attribution.model.name)
    return (
        f"**{name}** gives “{category}” a logit of {_signed(attribution.score)} for {what}; with "
        f"everything absent ({escape(attribution.baseline)}) it gives "
        f"{_signed(attribution.baseline_score)}. {_adds_up(attribution)}"
    )


def _adds_up(attribution: Attribution) -> str:
    difference = attribution.score - attribution.baseline_score
    total = float(attribution.per_frame.sum())
    exact = attribution.method == "integrated_gradients"
    promise = "completeness: 100 % is exact" if exact else "this method does not promise 100 %"
    if abs(difference) < 1e-6:
        return f"The shares add up to {_signed(total)}; there is no difference to explain."
    return (
        f"The shares of all places add up to {100 * total / difference:.1f} % of that difference "
        f"of {_signed(difference)} ({promise})."
    )


def strongest(analysis: Analysis, attribution: Attribution) -> str:
    """Which part speaks most for the category, and which most against it."""
    shares = attribution.per_snippet
    word = analysis.protocol.snippet_word
    best, worst = int(shares.argmax()), int(shares.argmin())
    seconds = analysis.pts_seconds
    said = (
        f"**Most for it:** {word} {best + 1} "
        f"({span_text(float(seconds[best].min()), float(seconds[best].max()))}) with "
        f"{_signed(shares[best])} logit."
    )
    if shares[worst] < 0:
        said += (
            f" **Most against it:** {word} {worst + 1} "
            f"({span_text(float(seconds[worst].min()), float(seconds[worst].max()))}) with "
            f"{_signed(shares[worst])} logit."
        )
    return said


def timeline_reading(analyses: Sequence[Analysis]) -> str:
    word = snippet_word(analyses)
    frames = (
        ""
        if all(analysis.protocol.snippet_word == "frame" for analysis in analyses)
        else " Below, the same for every frame of the video; one that several snippets saw has the "
        "sum of its shares."
    )
    return (
        f"How to read it: a bar is the share of a {word} in the logit, blue upwards for the "
        f"category, orange downwards against it.{frames}"
    )


HEAT = (
    "How to read it: blue places speak for the category, orange ones against it, and where there "
    "is no colour nothing does. The picture below is grey so that the heat can be read; above, the "
    "same frame stands in its own colours. The number is the logit that 1 % of the picture's area "
    "adds, so that networks with other grids can be compared."
)


def heat_reading(attributions: Sequence[Attribution]) -> str:
    """How to read the maps."""
    grid = attributions[0].maps.shape[2:]
    flat = (
        " This method says nothing about places: a frame has one colour."
        if grid == (1, 1)
        else ""
    )
    both = " Both networks share the scale." if len(attributions) > 1 else ""
    return f"{HEAT}{both}{flat}"


def trusted(attribution: Attribution, trust: Trust | None) -> str:
    """What was measured of this method and these weights, beside the map."""
    name = METHOD_NAMES[attribution.method]
    if trust is None:
        return (
            f"**Not measured:** how far {name} can be trusted for {escape(attribution.model.name)} "
            "is not known. Measure it with `python -m tools.trust`, or look at the curves below."
        )
    found = [
        f"**On videos with known truth** ({escape(trust.dataset)}) {name} of "
        f"{escape(trust.model)}:",
        "",
    ]
    points = _rate(trust.pointing, "a random place")
    found.append(
        f"- **points at the object in {points}**" if points
        else "- says nothing about places, so it cannot point at the object"
    )
    moments = _rate(trust.timing, "a random moment")
    if moments:
        found.append(f"- **finds the moment in {moments}**")
    found.append(
        f"- insertion minus deletion: **{_signed(trust.gain, 2)}**, random orders "
        f"{_signed(trust.random_gain, 2)} (mean of {trust.gain_videos} videos; larger is better)"
    )
    found.append(
        f"- with random weights the map changes: rank correlation **{_signed(trust.sanity, 2)}** "
        f"with these (mean of {trust.sanity_videos} videos; near 0 is sound, 1 would be a method "
        "that does not look at the network)"
    )
    return "\n".join(found)


def _rate(rate: Rate | None, chance: str) -> str:
    if rate is None:
        return ""
    return f"{percent(rate.rate)} of {rate.videos} videos ({chance}: {percent(rate.chance)})"


def tested(faithfulness: Faithfulness) -> str:
    """What the curves of this map say."""
    others = faithfulness.random_gains
    if faithfulness.gain > others.max():
        verdict = "**better than every random order**"
    elif faithfulness.gain > others.mean():
        verdict = "better than random orders on average, but not than all of them"
    else:
        verdict = "**no better than random orders: do not rely on this map**"
    return (
        f"Insertion minus deletion of this map is {_signed(faithfulness.gain, 2)}, that of "
        f"{len(others)} random orders {_signed(others.mean(), 2)} on average "
        f"({_signed(others.min(), 2)} to {_signed(others.max(), 2)}): {verdict}."
    )


CURVES_READING = (
    "How to read it: insertion starts from nothing and puts in first the parts that the map calls "
    "most important, deletion takes them away first; the line of insertion should rise at once and "
    "that of deletion fall at once. The bands are random orders. All on this one video."
)


def to_csv(analysis: Analysis, attribution: Attribution) -> str:
    """One row per frame that a snippet saw."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["snippet", "frame", "video_frame", "seconds", "share_logit"])
    for (snippet, frame), share in np.ndenumerate(attribution.per_frame):
        table.writerow([
            snippet + 1, frame + 1, int(analysis.frame_index[snippet, frame]),
            f"{analysis.pts_seconds[snippet, frame]:.4f}", f"{share:.6g}",
        ])
    return out.getvalue()


def to_json(analysis: Analysis, attribution: Attribution) -> str:
    """The attribution with what it is about; maps (views, frames, h, w) in logits."""
    document = {
        "video": {"name": attribution.video.name, "sha256": attribution.video.sha256},
        "model": attribution.model.name,
        "weights_sha256": attribution.model.weights_sha256,
        "protocol": attribution.protocol.describe(),
        "method": attribution.method,
        "category": attribution.model.classes[attribution.category],
        "snippet": None if attribution.snippet is None else attribution.snippet + 1,
        "logit": attribution.score,
        "baseline_logit": attribution.baseline_score,
        "baseline": attribution.baseline,
        "seconds": attribution.seconds,
        "video_frame": analysis.frame_index.tolist(),
        "pts_seconds": analysis.pts_seconds.round(4).tolist(),
        "per_snippet": attribution.per_snippet.round(6).tolist(),
        "per_frame": attribution.per_frame.round(6).tolist(),
        "maps": attribution.maps.astype(np.float64).round(6).tolist(),
    }
    return json.dumps(document, allow_nan=False)


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
