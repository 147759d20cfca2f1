"""Choices of the page Explain, and the parts of it that several networks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import streamlit as st

from app.pages.explain import text as words
from app.server import services, tasks
from app.server.run_videos import Source
from app.ui import page_frame, state
from app.ui.page_end import PageEnd
from app.ui.state import Key, kept
from app.ui.text import escape
from dsanet_core.attribution import (
    attribution_to_csv,
    attribution_to_json,
    offered,
    trust_of,
)
from dsanet_core.figures.attribution import (
    heat_frame,
    heat_limit,
    heat_strip,
    importance,
    insertion_deletion,
)
from dsanet_core.figures.style import same_frames
from dsanet_core.records import (
    METHOD_NAMES,
    METHODS,
    Analysis,
    Attribution,
    Method,
    Protocol,
    Trust,
)
from dsanet_core.report import readings

NOBODY = "nobody"
QUICK: Method = "grad_cam"
"""What a first visit shows where no method is known to point best: an answer within a second."""


def choose_beside(first: str) -> str | None:
    """Another network to explain beside the first, None without one."""
    options = [NOBODY, *(name for name in services.model_names() if name != first)]
    state.settle(Key.BESIDE, options, NOBODY)
    chosen = st.selectbox(
        "Beside it", options, **kept(Key.BESIDE),
        format_func=lambda name: "No other network" if name == NOBODY else name,
    )
    return None if chosen == NOBODY else str(chosen)


def choose(analyses: Sequence[Analysis]) -> tuple[Method, str, int | None]:
    """Method, name of the category, and index of the snippet or None for the whole video."""
    left, middle, right = st.columns([3, 2, 2], gap="medium")
    trust = {a.model.name: trust_of(a.model.weights_sha256) for a in analyses}
    able = [m for m in METHODS if all(m in offered(a.model.weights_sha256) for a in analyses)]
    if not able:
        st.info(
            f"No method can be trusted here. {words.not_offered(trust)} Choose another network.",
            icon=":material/info:",
        )
        raise PageEnd
    with left:
        state.settle(Key.METHOD, able, _best(able, trust[analyses[0].model.name]))
        st.selectbox(
            "Method", able, **kept(Key.METHOD), format_func=METHOD_NAMES.__getitem__,
            help=words.METHODS_HELP,
        )
        if refused := words.not_offered(trust):
            st.caption(refused)
    with middle:
        predicted = analyses[0].top(1)[0][0]
        classes = analyses[0].model.classes
        state.settle(Key.CATEGORY, classes, None)
        chosen = st.selectbox(
            "What speaks for", classes, index=None, **kept(Key.CATEGORY),
            placeholder=f"its answer: {predicted}",
        )
    with right:
        snippets = [] if not _same(analyses) else range(len(analyses[0].frame_index))
        levels = [words.WHOLE_VIDEO, *(str(index + 1) for index in snippets)]
        state.settle(Key.SNIPPET, levels, words.WHOLE_VIDEO)
        level = st.selectbox(
            "In", levels, **kept(Key.SNIPPET), format_func=partial(words.level, analyses[0])
        )
    method: Method = st.session_state[Key.METHOD]
    return method, chosen or predicted, int(level) - 1 if level else None


def _best(able: Sequence[Method], known: Mapping[Method, Trust]) -> Method:
    """The method that points best; where that was not measured, the quickest."""
    points = {m: known[m].pointing for m in able if m in known}
    rates = {method: points.rate for method, points in points.items() if points is not None}
    if rates:
        return max(rates, key=rates.__getitem__)
    return QUICK if QUICK in able else able[0]


def _same(analyses: Sequence[Analysis]) -> bool:
    return all(same_frames(analyses[0], other) for other in analyses[1:])


def wait_for(
    source: Source,
    names: Sequence[str],
    analyses: Sequence[Analysis],
    method: Method,
    category: str,
    snippet: int | None,
) -> list[Attribution]:
    """The attribution by each network; progress is shown until they are there. A network that does
    not know the category ends the page."""
    for analysis in analyses:
        if category not in analysis.model.classes:
            st.info(
                f"{escape(analysis.model.name)} does not know “{escape(category)}”: choose "
                "another category or another network.",
                icon=":material/info:",
            )
            raise PageEnd
    asked = [
        tasks.request_attribution(name, method, analysis.model.classes.index(category), snippet)
        for name, analysis in zip(names, analyses, strict=True)
    ]
    found: list[Attribution] = page_frame.wait_for_results(source, asked)
    return found


def timelines(analyses: Sequence[Analysis], attributions: Sequence[Attribution]) -> None:
    """Shares over the time, the networks beside each other on one scale."""
    shares = np.concatenate([each.per_snippet for each in attributions])
    span = float(shares.min()), float(shares.max())
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            st.markdown(words.strongest(analysis, each))
            page_frame.chart(
                importance(analysis, each, span=span),
                f"Share of every snippet in the logit, {analysis.model.name}",
            )


def choose_crop(protocol: Protocol) -> int:
    """Which of three crops is shown; of one there is no choice."""
    options = [str(crop) for crop in range(protocol.num_crops)]
    state.settle(Key.CROP, options, options[len(options) // 2])
    if len(options) > 1:
        st.segmented_control(
            "Crop", options, **kept(Key.CROP), format_func=lambda crop: words.CROPS[int(crop)],
            required=True,
        )
    return int(st.session_state[Key.CROP])


@st.fragment
def scrubber(
    analyses: Sequence[Analysis], attributions: Sequence[Attribution], crop: int
) -> None:
    """One frame in the large, as it is and under its heat; moving the slider draws nothing else."""
    options = [str(place + 1) for place in range(analyses[0].frame_index.size)]
    best = int(attributions[0].per_frame.argmax())
    state.settle(Key.FRAME, options, options[best])
    chosen = st.select_slider(
        "Frame (arrow keys move it; at first the one that speaks most for the category)", options,
        **kept(Key.FRAME), format_func=partial(words.moment, analyses[0]),
    )
    place = words.place_of(analyses[0], str(chosen))
    most = heat_limit(attributions)
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            at = words.same_moment(analyses[0], analysis, place)
            page_frame.chart(
                heat_frame(analysis, each, *at, most=most, crop=_crop(analysis, crop)),
                f"A frame as it is and under its heat, {analysis.model.name}",
            )
    state.publish()


def strips(
    analyses: Sequence[Analysis], attributions: Sequence[Attribution], crop: int
) -> None:
    """All frames under their heat, the networks beside each other on one scale."""
    most = heat_limit(attributions)
    columns = 8 if len(analyses) == 1 else 4
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            figure = heat_strip(
                analysis, each, most=most, crop=_crop(analysis, crop), columns=columns
            )
            page_frame.chart(figure, f"Every frame under its heat, {analysis.model.name}")


def _crop(analysis: Analysis, crop: int) -> int:
    """A network with one crop has the middle one alone."""
    return crop if analysis.protocol.num_crops > 1 else 0


def trust(attributions: Sequence[Attribution]) -> None:
    """What was measured of this method for these weights, where the truth is known."""
    for cell, each in zip(
        st.columns(len(attributions), gap="medium"), attributions, strict=True
    ):
        with cell:
            known = trust_of(each.model.weights_sha256)
            st.markdown(words.trusted(each, known.get(each.method)))


def curves(source: Source, names: Sequence[str], attributions: Sequence[Attribution]) -> None:
    """Insertion and deletion of the shown maps, computed when they are asked for."""
    state.is_on(Key.CURVES)
    label = "Test this very map on this video (runs the network again)"
    if not st.toggle(label, **kept(Key.CURVES)):
        return
    asked = [tasks.request_curves(*each) for each in zip(names, attributions, strict=True)]
    found = page_frame.wait_for_results(source, asked)
    for cell, name, each in zip(
        st.columns(len(found), gap="medium"), names, found, strict=True
    ):
        with cell:
            st.markdown(f"**{escape(name)}.** {words.tested(each)}")
            page_frame.chart(insertion_deletion(each), f"Insertion and deletion, {name}")
    st.caption(readings.CURVES)


def export(analyses: Sequence[Analysis], attributions: Sequence[Attribution]) -> None:
    """The attributions as files, made when somebody asks for one."""
    kinds = (
        ("all data (JSON)", "json", "application/json", attribution_to_json),
        ("shares (CSV)", "csv", "text/csv", attribution_to_csv),
    )
    with st.container(horizontal=True):
        for place, (analysis, each) in enumerate(zip(analyses, attributions, strict=True)):
            stem = f"{each.model.name}_{each.method}_{each.video.sha256[:8] or each.video.name}"
            for label, ending, mime, make in kinds:
                st.download_button(
                    f"{escape(each.model.name)}: {label}", partial(make, analysis, each),
                    f"{stem}.{ending}", mime, key=f"why_{ending}_{place}",
                    icon=":material/download:", on_click="ignore",
                )
