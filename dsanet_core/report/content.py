"""The contents of a report: sections of figures with captions, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from markdown_it import MarkdownIt
from markupsafe import Markup

from dsanet_core import figures
from dsanet_core.figures import (
    style,
)
from dsanet_core.figures.style import block_label, snippet_word
from dsanet_core.records import METHOD_NAMES, Analysis, Attribution, Effects, Selection
from dsanet_core.report import attribution_text, captions, text
from dsanet_core.serialize import analysis_to_json
from dsanet_core.text_format import percent, seconds_range

TABLE_CLASSES = 10
"""Rows in the table of the video's most probable classes."""
TIMELINE_CLASSES = 3
"""The most probable classes, drawn over the snippets."""

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Drawing:
    """A figure as the page's script draws it; alt: its text alternative."""

    id: str
    figure: Markup
    alt: str
    caption: Markup


@dataclass(frozen=True)
class Table:
    """Rows under column heads; the columns from `numbers` on hold numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int
    caption: str


@dataclass(frozen=True)
class Heading:
    """A title within a section."""

    heading: str


@dataclass
class Section:
    """Parts are Markup, `Drawing`, `Table` or `Heading`."""

    title: str
    parts: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for the video; mark: "correct", "incorrect" or "" (truth unknown)."""

    name: str
    category: str
    probability: str
    mark: str
    symbol: str
    familiarity: Markup
    is_familiar: bool
    changes: Sequence[str]


class Contents:
    """Data for the template of a report."""

    def __init__(
        self,
        analyses: Sequence[Analysis],
        truth: str | None,
        accuracies: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.analyses = analyses
        self.truth = truth
        self.accuracies = accuracies
        self.names = _names(analyses)
        self.video = analyses[0].video
        self.video_facts = text.video_facts(self.video)
        self.title = f"{' and '.join(self.names)}: predictions for {self.video.name}"
        self.predictions = [
            self._prediction(*each) for each in zip(analyses, self.names, strict=True)
        ]
        self.sections: list[Section] = []
        self.documents = [
            (f"analysis-{place}", name, _inert(analysis_to_json(each)))
            for place, (each, name) in enumerate(zip(analyses, self.names, strict=True), 1)
        ]
        self._drawn = 0

    def add_all(self, attributions: Sequence[Attribution], effects: Effects | None) -> None:
        if len(self.analyses) == 2:
            self._add_comparison(*self.analyses)
        for analysis, name in zip(self.analyses, self.names, strict=True):
            prefix = "" if len(self.analyses) == 1 else f"{name}: "
            self._add_scores(analysis, prefix)
            for attribution in attributions:
                if _owner(self.analyses, attribution) is analysis:
                    limit = figures.heat_limit(attributions)
                    self._add_attribution(analysis, attribution, prefix, limit)
            if analysis.kernels:
                self._add_kernels(analysis, prefix)
            if analysis.selections:
                self._add_selections(analysis, prefix)
        if effects is not None:
            self._add_block_importance(self.analyses[0], effects)
        self._add_model_details()

    def _prediction(self, analysis: Analysis, name: str) -> Prediction:
        category, probability = analysis.top(1)[0]
        known = self.truth in analysis.model.classes
        mark = "" if not known else "correct" if category == self.truth else "incorrect"
        symbols = {"correct": style.RIGHT_SYMBOL, "incorrect": style.WRONG_SYMBOL, "": ""}
        measured = analysis.familiarity
        return Prediction(
            name,
            category,
            percent(probability),
            mark,
            symbols[mark],
            _sentence(text.familiarity(analysis)),
            measured is None or measured.is_familiar,
            analysis.changes,
        )

    def _section(self, title: str) -> list[Any]:
        self.sections.append(Section(title))
        return self.sections[-1].parts

    def _draw(self, figure: go.Figure, alt: str, caption: str = "") -> Drawing:
        # The page gives fonts and colours, as Streamlit does: Plotly's own template is for a page
        # of its own.
        figure.layout.template = go.layout.Template()
        self._drawn += 1
        return Drawing(f"figure-{self._drawn}", _inert(figure.to_json()), alt, _sentence(caption))

    def _add_comparison(self, a: Analysis, b: Analysis) -> None:
        word = snippet_word([a, b])
        self._section(f"Scores per {word}").append(
            self._draw(
                figures.compare_snippets(a, b, self.truth),
                f"Top class of each {word} and of the video, by model",
                captions.comparison_of(a, b),
            )
        )
        self._section("Where the models disagree").append(
            self._draw(
                figures.disagreement(a, b),
                "Differences in probability",
                captions.disagreement_of(a, b),
            )
        )
        self._section("Compute cost").append(_blocks(text.compute_cost([a, b])))

    def _add_scores(self, analysis: Analysis, prefix: str) -> None:
        classes = analysis.model.classes
        best = [name for name, _ in analysis.top(TIMELINE_CLASSES)]
        best += [self.truth] if self.truth in classes else []
        followed = [classes.index(name) for name in dict.fromkeys(best)]
        word = analysis.protocol.snippet_word
        parts = self._section(f"{prefix}Predictions for the video")
        if len(self.analyses) == 1:
            parts.append(self._draw(figures.top_bars(analysis, 5), "Most probable classes"))
        listed = [
            (str(rank), name, percent(share))
            for rank, (name, share) in enumerate(analysis.top(TABLE_CLASSES), 1)
        ]
        caption = f"Most probable of {len(classes)} classes"
        parts.append(Table(("", "Class", "Probability"), listed, 2, caption))
        parts = self._section(f"{prefix}Scores per {word}")
        parts.append(
            self._draw(
                figures.snippet_timeline(analysis, followed),
                f"Probabilities of each {word} over time",
                captions.timeline_of(analysis),
            )
        )
        heads = (word.capitalize(), "Time", "Top class", "Probability")
        parts.append(Table(heads, list(_score_rows(analysis)), 3, f"Top class of each {word}"))

    def _add_attribution(
        self, analysis: Analysis, attribution: Attribution, prefix: str, limit: float
    ) -> None:
        from dsanet_core.attribution import trust_of

        word = analysis.protocol.snippet_word
        category = analysis.model.classes[attribution.category]
        name = METHOD_NAMES[attribution.method]
        parts = self._section(f"{prefix}Explanation of “{category}” ({name})")
        parts.append(_sentence(attribution_text.attribution_summary(attribution)))
        parts.append(_sentence(attribution_text.strongest_evidence(analysis, attribution)))
        parts.append(
            self._draw(
                figures.importance(analysis, attribution),
                f"Contribution of each {word} to the logit",
                captions.importance(word),
            )
        )
        parts.append(
            self._draw(
                figures.heat_strip(analysis, attribution, most=limit),
                "Heat map of each frame",
                captions.HEAT,
            )
        )
        trust = trust_of(analysis.model.weights_sha256).get(attribution.method)
        parts.append(_blocks(attribution_text.reliability(attribution, trust)))

    def _add_block_importance(self, analysis: Analysis, effects: Effects) -> None:
        classes = analysis.model.classes
        parts = self._section(f"{self.names[0]}: Block importance")
        parts.append(_sentence(attribution_text.block_importance(effects, classes)))
        parts.append(
            self._draw(
                figures.block_effects(effects, classes),
                "Points of probability lost without each block",
                captions.BLOCK_IMPORTANCE,
            )
        )
        rows = [
            [block_label(block), change, percent(after), classes[answer]]
            for block, change, after, answer in zip(
                effects.blocks, effects.changes, effects.after, effects.answers, strict=True
            )
        ]
        caption = (
            f"Probability of “{classes[effects.category]}” with one block at a time made neutral; "
            f"original: {percent(effects.before)}"
        )
        heads = ("Block", "Change", "Probability", "Prediction")
        parts.append(Table(heads, rows, len(heads), caption))

    def _add_kernels(self, analysis: Analysis, prefix: str) -> None:
        view = 0
        parts = self._section(f"{prefix}DSA kernels")
        parts.append(
            self._draw(
                figures.kernel_distances(analysis),
                "Distance of each block from two fixed kernels",
                captions.KERNEL_DISTANCES,
            )
        )
        parts.append(_sentence(_of_view(analysis, view)))
        for kernel in analysis.kernels:
            block = text.block_name(kernel.block)
            parts.append(Heading(block))
            parts.append(self._draw(figures.kernel_heatmap(kernel, view), f"Weights of {block}"))
            parts.append(_sentence(text.kernel_summary(kernel, view)))
            if kernel.values.shape[-1] == 3:
                parts.append(
                    self._draw(figures.kernel_ternary(kernel), f"Channels of {block} on a triangle")
                )
        parts.append(_sentence(captions.KERNEL))

    def _add_selections(self, analysis: Analysis, prefix: str) -> None:
        view = 0
        chosen = max(analysis.selections, key=lambda each: float(each.gate_change[view]))
        parts = self._section(f"{prefix}SDA dependencies")
        parts.append(_sentence(_of_view(analysis, view)))
        parts.append(_sentence(text.dependencies_summary(analysis, view)))
        parts.append(
            self._draw(
                figures.dependency_weights(analysis, view, chosen.block),
                "Weight of each dependency in each block: stacked, and relative to equal shares",
                captions.DEPENDENCY_WEIGHTS,
            )
        )
        most = text.block_name(chosen.block)
        parts.append(Heading(f"Gate that selection changes most: {most}"))
        parts.append(_sentence(text.selection_summary(chosen, view)))
        parts.append(
            self._draw(
                figures.gate_maps(analysis, chosen, view),
                "Gate map of each frame",
                captions.GATE_MAPS,
            )
        )
        parts.append(
            self._draw(
                figures.gate_over_time(analysis, chosen, view),
                "Mean gate of each frame",
                captions.GATE_OVER_TIME,
            )
        )
        parts.append(_weights_table(analysis.selections, view))

    def _add_model_details(self) -> None:
        parts = self._section("Model, input and weights")
        for analysis in self.analyses:
            accuracy = self.accuracies.get(analysis.model.weights_sha256)
            parts.append(_blocks(text.model_details(analysis, accuracy=accuracy)))


def _names(analyses: Sequence[Analysis]) -> list[str]:
    """Display names; if a model was modified or occurs twice, they say how the two differ."""
    names = [each.model.name for each in analyses]
    if len(set(names)) == len(names):
        return names
    variants = ["; ".join(each.changes) or "original" for each in analyses]
    if len(set(variants)) < len(variants):
        variants = ["A", "B"]
    return [f"{name} ({variant})" for name, variant in zip(names, variants, strict=True)]


def _owner(analyses: Sequence[Analysis], attribution: Attribution) -> Analysis:
    """The analysis that an attribution explains: of two of one network, the first."""
    for analysis in analyses:
        if (analysis.model, analysis.protocol) == (attribution.model, attribution.protocol):
            return analysis
    raise ValueError(f"an attribution of {attribution.model.name}, but no analysis of that model")


def _score_rows(analysis: Analysis) -> Iterator[list[str]]:
    first, last = analysis.pts_seconds.min(1), analysis.pts_seconds.max(1)
    places = [
        (str(place), seconds_range(*span))
        for place, span in enumerate(zip(first.tolist(), last.tolist(), strict=True), 1)
    ]
    places.append(("video", seconds_range(float(first.min()), float(last.max()))))
    rows = [*analysis.snippet_scores, analysis.video_scores]
    for place, scores in zip(places, rows, strict=True):
        best = int(scores.argmax())
        yield [*place, analysis.model.classes[best], percent(scores[best])]


def _weights_table(selections: Sequence[Selection], view: int) -> Table:
    names = list(dict.fromkeys(name for each in selections for name in each.dependencies))
    rows = []
    for each in selections:
        shares = dict(zip(each.dependencies, map(percent, each.weights[view]), strict=True))
        change = f"{float(each.gate_change[view]):.3f}"
        rows.append(
            [text.block_name(each.block), *(shares.get(name, "–") for name in names), change]
        )
    caption = "Weights in each block, and the mean change of its gate by selection"
    return Table(("Block", *names, "Gate change"), rows, 1, caption)


def _of_view(analysis: Analysis, view: int) -> str:
    """The view of which captured values are shown; "" for a single view."""
    return "" if analysis.protocol.num_views == 1 else f"{text.view_name(analysis.protocol, view)}."


def _sentence(markdown: str) -> Markup:
    return Markup(_markdown.renderInline(markdown))


def _blocks(markdown: str) -> Markup:
    return Markup(_markdown.render(markdown))


def _inert(document: str) -> Markup:
    """JSON that cannot end a script element: characters of markup are written as escapes."""
    for sign in "<>&":
        document = document.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(document)
