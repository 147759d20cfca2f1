"""Choices of the page Explain, and its parts that show one or two models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import streamlit as st

from app.pages.explain import text
from app.server import services, tasks
from app.server.run_videos import Source
from app.ui import (
    page_frame,
    state,
)
from app.ui.page_frame import PageEnd
from app.ui.state import Key, keyed
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
from dsanet_core.report import attribution_text, captions
from dsanet_core.report.attribution_text import strongest_evidence
from dsanet_core.report.text import CROP_NAMES, escape

NO_MODEL = "nobody"
QUICK: Method = "grad_cam"
"""Default method where no pointing accuracy was measured: it takes less than a second."""


def choose_second_model(first: str) -> str | None:
    """A second model to explain side by side with the first, or None."""
    options = [NO_MODEL, *(name for name in services.model_names() if name != first)]
    state.ensure_option(Key.SECOND_MODEL, options, NO_MODEL)
    chosen = st.selectbox(
        "Second model", options, **keyed(Key.SECOND_MODEL),
        format_func=lambda name: "None" if name == NO_MODEL else name,
    )
    return None if chosen == NO_MODEL else str(chosen)


def choose(analyses: Sequence[Analysis]) -> tuple[Method, str, int | None]:
    """Method, class name, and snippet index or None for the whole video."""
    left, middle, right = st.columns([3, 2, 2], gap="medium")
    trust = {a.model.name: trust_of(a.model.weights_sha256) for a in analyses}
    able = [m for m in METHODS if all(m in offered(a.model.weights_sha256) for a in analyses)]
    if not able:
        st.info(
            f"No reliable method for this choice. {text.not_offered(trust)} Choose another model.",
            icon=":material/info:",
        )
        raise PageEnd
    with left:
        state.ensure_option(Key.METHOD, able, _best(able, trust[analyses[0].model.name]))
        st.selectbox(
            "Method", able, **keyed(Key.METHOD), format_func=METHOD_NAMES.__getitem__,
            help=text.METHODS_HELP,
        )
        if refused := text.not_offered(trust):
            st.caption(refused)
    with middle:
        predicted = analyses[0].top(1)[0][0]
        classes = analyses[0].model.classes
        state.ensure_option(Key.CATEGORY, classes, None)
        chosen = st.selectbox(
            "Explain class", classes, index=None, **keyed(Key.CATEGORY),
            placeholder=f"Predicted class: {predicted}",
        )
    with right:
        snippets = [] if not _all_same_frames(analyses) else range(len(analyses[0].frame_index))
        levels = [text.WHOLE_VIDEO, *(str(index + 1) for index in snippets)]
        state.ensure_option(Key.SNIPPET, levels, text.WHOLE_VIDEO)
        level = st.selectbox(
            "Part of the video", levels, **keyed(Key.SNIPPET),
            format_func=partial(text.part_label, analyses[0]),
        )
    method: Method = st.session_state[Key.METHOD]
    return method, chosen or predicted, int(level) - 1 if level else None


def _best(able: Sequence[Method], known: Mapping[Method, Trust]) -> Method:
    """The method with the highest pointing accuracy; if none was measured, the fastest."""
    points = {m: known[m].pointing for m in able if m in known}
    rates = {method: points.rate for method, points in points.items() if points is not None}
    if rates:
        return max(rates, key=rates.__getitem__)
    return QUICK if QUICK in able else able[0]


def _all_same_frames(analyses: Sequence[Analysis]) -> bool:
    return all(same_frames(analyses[0], other) for other in analyses[1:])


def wait_for(
    source: Source,
    names: Sequence[str],
    analyses: Sequence[Analysis],
    method: Method,
    category: str,
    snippet: int | None,
) -> list[Attribution]:
    """Attributions by each model; shows progress and ends the page until they are ready. A model
    without the class ends the page too."""
    for analysis in analyses:
        if category not in analysis.model.classes:
            st.info(
                f"{escape(analysis.model.name)} has no class “{escape(category)}”. Choose "
                "another class or another model.",
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
    """Contributions over time, models side by side on one scale."""
    shares = np.concatenate([each.per_snippet for each in attributions])
    span = float(shares.min()), float(shares.max())
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            st.markdown(strongest_evidence(analysis, each))
            page_frame.chart(
                importance(analysis, each, span=span),
                f"Contribution of each snippet to the logit, {analysis.model.name}",
            )


def choose_crop(protocol: Protocol) -> int:
    """Index of the shown crop; no widget for a protocol with one crop."""
    options = [str(crop) for crop in range(protocol.num_crops)]
    state.ensure_option(Key.CROP, options, options[len(options) // 2])
    if len(options) > 1:
        st.segmented_control(
            "Crop", options, **keyed(Key.CROP), format_func=lambda crop: CROP_NAMES[int(crop)],
            required=True,
        )
    return int(st.session_state[Key.CROP])


@st.fragment
def frame_viewer(
    analyses: Sequence[Analysis], attributions: Sequence[Attribution], crop: int
) -> None:
    """One large frame, plain and with its heat map; the slider redraws nothing else."""
    options = [str(place + 1) for place in range(analyses[0].frame_index.size)]
    best = int(attributions[0].per_frame.argmax())
    state.ensure_option(Key.FRAME, options, options[best])
    chosen = st.select_slider(
        "Frame (move with the arrow keys; starts at the most important frame)", options,
        **keyed(Key.FRAME), format_func=partial(text.frame_label, analyses[0]),
    )
    place = text.frame_position(analyses[0], str(chosen))
    limit = heat_limit(attributions)
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            at = text.nearest_frame(analyses[0], analysis, place)
            page_frame.chart(
                heat_frame(analysis, each, *at, most=limit, crop=_crop(analysis, crop)),
                f"A frame, plain and with its heat map, {analysis.model.name}",
            )
    state.publish()


def strips(
    analyses: Sequence[Analysis], attributions: Sequence[Attribution], crop: int
) -> None:
    """Heat maps of all frames, models side by side on one scale."""
    limit = heat_limit(attributions)
    columns = 8 if len(analyses) == 1 else 4
    for cell, analysis, each in zip(
        st.columns(len(analyses), gap="medium"), analyses, attributions, strict=True
    ):
        with cell:
            figure = heat_strip(
                analysis, each, most=limit, crop=_crop(analysis, crop), columns=columns
            )
            page_frame.chart(figure, f"Heat map of each frame, {analysis.model.name}")


def _crop(analysis: Analysis, crop: int) -> int:
    """Crop index for a model; one with a single crop ignores the choice."""
    return crop if analysis.protocol.num_crops > 1 else 0


def reliability(attributions: Sequence[Attribution]) -> None:
    """Measured reliability of the method for each model's weights."""
    for cell, each in zip(
        st.columns(len(attributions), gap="medium"), attributions, strict=True
    ):
        with cell:
            known = trust_of(each.model.weights_sha256)
            st.markdown(attribution_text.reliability(each, known.get(each.method)))


def curves(source: Source, names: Sequence[str], attributions: Sequence[Attribution]) -> None:
    """Insertion/deletion of the shown maps, computed on demand."""
    state.is_on(Key.CURVES)
    label = "Run insertion/deletion on this video"
    if not st.toggle(label, **keyed(Key.CURVES)):
        return
    asked = [tasks.request_curves(*each) for each in zip(names, attributions, strict=True)]
    found = page_frame.wait_for_results(source, asked)
    for cell, name, each in zip(
        st.columns(len(found), gap="medium"), names, found, strict=True
    ):
        with cell:
            st.markdown(f"**{escape(name)}.** {text.insertion_deletion(each)}")
            page_frame.chart(insertion_deletion(each), f"Insertion and deletion curves, {name}")
    st.caption(captions.INSERTION_DELETION)


def export(analyses: Sequence[Analysis], attributions: Sequence[Attribution]) -> None:
    """The attributions as files."""
    with st.container(horizontal=True):
        for place, (analysis, each) in enumerate(zip(analyses, attributions, strict=True)):
            video = each.video.sha256[:8] or each.video.name
            stem = f"{each.model.name}_{each.method}_{video}"
            for label, kind, make in (
                ("all data", "JSON", attribution_to_json),
                ("contributions", "CSV", attribution_to_csv),
            ):
                page_frame.download(
                    f"{escape(each.model.name)}: {label}", kind, partial(make, analysis, each),
                    stem, f"why_{kind.lower()}_{place}",
                )
