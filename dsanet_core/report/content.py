"""What stands in a report: sections of figures with how to read them, tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go
from markdown_it import MarkdownIt
from markupsafe import Markup

from dsanet_core import figures
from dsanet_core.figures import palette
from dsanet_core.figures.style import block_label, snippet_word
from dsanet_core.records import METHOD_NAMES, Analysis, Attribution, Effects, Selection
from dsanet_core.report import attribution_text, readings, text
from dsanet_core.serialize import analysis_to_json
from dsanet_core.text_format import percent, seconds_range

LISTED = 10
"""Categories in the table of the video's best."""
FOLLOWED = 3
"""The most probable categories are followed through the snippets."""

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Drawing:
    """A figure as the page's script draws it. alt: what it is, for those who do not see it."""

    id: str
    figure: Markup
    alt: str
    reading: Markup


@dataclass(frozen=True)
class Table:
    """Rows under heads; the columns from `numbers` on hold numbers."""

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
class Verdict:
    """What a network says of the video; mark: "right", "wrong" or "", where the truth is known."""

    name: str
    category: str
    probability: str
    mark: str
    symbol: str
    familiarity: Markup
    is_familiar: bool
    changes: Sequence[str]


class Contents:
    """Everything that the template of a report needs."""

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
        self.title = f"{' against '.join(self.names)} on {self.video.name}"
        if len(analyses) == 1:
            self.title = f"What {self.names[0]} says of {self.video.name}"
        self.verdicts = [self._verdict(*each) for each in zip(analyses, self.names, strict=True)]
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
            told = "" if len(self.analyses) == 1 else name
            self._add_scores(analysis, told)
            for attribution in attributions:
                if _owner(self.analyses, attribution) is analysis:
                    most = figures.heat_limit(attributions)
                    self._add_attribution(analysis, attribution, told, most)
            if analysis.kernels:
                self._add_kernels(analysis, told)
            if analysis.selections:
                self._add_selections(analysis, told)
        if effects is not None:
            self._add_effects(self.analyses[0], effects)
        self._add_grounds()

    def _verdict(self, analysis: Analysis, name: str) -> Verdict:
        category, probability = analysis.top(1)[0]
        known = self.truth in analysis.model.classes
        mark = "" if not known else "right" if category == self.truth else "wrong"
        symbols = {"right": palette.RIGHT_SYMBOL, "wrong": palette.WRONG_SYMBOL, "": ""}
        measured = analysis.familiarity
        return Verdict(
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

    def _draw(self, figure: go.Figure, alt: str, reading: str = "") -> Drawing:
        # The page gives fonts and colours, as Streamlit does: Plotly's own template is for a page
        # of its own.
        figure.layout.template = go.layout.Template()
        self._drawn += 1
        return Drawing(f"figure-{self._drawn}", _inert(figure.to_json()), alt, _sentence(reading))

    def _add_comparison(self, a: Analysis, b: Analysis) -> None:
        word = snippet_word([a, b])
        self._section(f"{word.capitalize()} by {word}").append(
            self._draw(
                figures.compare_snippets(a, b, self.truth),
                f"Best category of each {word} and of the video, by network",
                readings.compare_reading(a, b),
            )
        )
        self._section("Where they part ways").append(
            self._draw(
                figures.disagreement(a, b),
                "Differences of probability",
                readings.disagreement_reading(a, b),
            )
        )
        self._section("What each costs").append(_blocks(text.costs([a, b])))

    def _add_scores(self, analysis: Analysis, told: str) -> None:
        classes = analysis.model.classes
        best = [name for name, _ in analysis.top(FOLLOWED)]
        best += [self.truth] if self.truth in classes else []
        followed = [classes.index(name) for name in dict.fromkeys(best)]
        word = analysis.protocol.snippet_word
        parts = self._section(_titled(told, "the video"))
        if len(self.analyses) == 1:
            parts.append(self._draw(figures.top_bars(analysis, 5), "The most probable categories"))
        listed = [
            (str(rank), name, percent(share))
            for rank, (name, share) in enumerate(analysis.top(LISTED), 1)
        ]
        caption = f"The most probable of {len(classes)} categories"
        parts.append(Table(("", "Category", "Probability"), listed, 2, caption))
        parts = self._section(_titled(told, f"{word} by {word}"))
        parts.append(
            self._draw(
                figures.snippet_timeline(analysis, followed),
                f"Probabilities of each {word} over time",
                readings.timeline_reading(analysis),
            )
        )
        heads = (word.capitalize(), "Seen", "Best category", "Probability")
        parts.append(Table(heads, list(_score_rows(analysis)), 3, f"Best category of each {word}"))

    def _add_attribution(
        self, analysis: Analysis, attribution: Attribution, told: str, most: float
    ) -> None:
        from dsanet_core.attribution import trust_of

        word = analysis.protocol.snippet_word
        category = analysis.model.classes[attribution.category]
        name = METHOD_NAMES[attribution.method]
        parts = self._section(_titled(told, f"why “{category}”: {name}"))
        parts.append(_sentence(attribution_text.lead(attribution)))
        parts.append(_sentence(attribution_text.strongest(analysis, attribution)))
        parts.append(
            self._draw(
                figures.importance(analysis, attribution),
                f"Share of every {word} in the logit",
                readings.importance(word),
            )
        )
        parts.append(
            self._draw(
                figures.heat_strip(analysis, attribution, most=most),
                "What spoke for the category, over the frames",
                readings.HEAT,
            )
        )
        trust = trust_of(analysis.model.weights_sha256).get(attribution.method)
        parts.append(_blocks(attribution_text.trusted(attribution, trust)))

    def _add_effects(self, analysis: Analysis, effects: Effects) -> None:
        classes = analysis.model.classes
        parts = self._section(f"{self.names[0]}: which block the answer hangs on")
        parts.append(_sentence(attribution_text.hanging(effects, classes)))
        parts.append(
            self._draw(
                figures.block_effects(effects, classes),
                "Points of probability that each block carries",
                readings.BLOCK_EFFECTS,
            )
        )
        rows = [
            [block_label(block), change, percent(after), classes[answer]]
            for block, change, after, answer in zip(
                effects.blocks, effects.changes, effects.after, effects.answers, strict=True
            )
        ]
        caption = (
            f"Probability of “{classes[effects.category]}” with one block after the other made "
            f"neutral; as it is: {percent(effects.before)}"
        )
        heads = ("Block", "What was done", "Probability then", "Answer then")
        parts.append(Table(heads, rows, len(heads), caption))

    def _add_kernels(self, analysis: Analysis, told: str) -> None:
        view = 0
        parts = self._section(_titled(told, "dynamic kernels of DSA"))
        parts.append(
            self._draw(
                figures.kernel_distances(analysis),
                "Distance of each block from two fixed kernels",
                readings.KERNEL_DISTANCES,
            )
        )
        parts.append(_sentence(_of_view(analysis, view)))
        for kernel in analysis.kernels:
            block = text.block_name(kernel.block)
            parts.append(Heading(block))
            parts.append(self._draw(figures.kernel_heatmap(kernel, view), f"Weights of {block}"))
            parts.append(_sentence(text.kernel_reading(kernel, view)))
            if kernel.values.shape[-1] == 3:
                parts.append(
                    self._draw(figures.kernel_ternary(kernel), f"Channels of {block} on a triangle")
                )
        parts.append(_sentence(readings.KERNEL))

    def _add_selections(self, analysis: Analysis, told: str) -> None:
        view = 0
        chosen = max(analysis.selections, key=lambda each: float(each.gate_change[view]))
        parts = self._section(_titled(told, "dependencies of SDA"))
        parts.append(_sentence(_of_view(analysis, view)))
        parts.append(_sentence(text.selection_lead(analysis, view)))
        parts.append(
            self._draw(
                figures.dependency_weights(analysis, view, chosen.block),
                "Weight of every dependency in each block, stacked and centred",
                readings.DEPENDENCY_WEIGHTS,
            )
        )
        most = text.block_name(chosen.block)
        parts.append(Heading(f"The gate that selecting changes most: {most}"))
        parts.append(_sentence(text.selection_reading(chosen, view)))
        parts.append(
            self._draw(
                figures.gate_maps(analysis, chosen, view),
                "Gate of every frame, in space",
                readings.GATE_MAPS,
            )
        )
        parts.append(
            self._draw(
                figures.gate_over_time(analysis, chosen, view),
                "Mean gate of every frame",
                readings.GATE_OVER_TIME,
            )
        )
        parts.append(_weights_table(analysis.selections, view))

    def _add_grounds(self) -> None:
        parts = self._section("On what grounds")
        for analysis in self.analyses:
            accuracy = self.accuracies.get(analysis.model.weights_sha256)
            parts.append(_blocks(text.grounds(analysis, accuracy=accuracy)))


def _names(analyses: Sequence[Analysis]) -> list[str]:
    """What the networks are called: one that was changed, or stands here twice, by that too."""
    names = [each.model.name for each in analyses]
    if len(set(names)) == len(names):
        return names
    told = ["; ".join(each.changes) or "as it is" for each in analyses]
    if len(set(told)) < len(told):
        told = ["A", "B"]
    return [f"{name} ({how})" for name, how in zip(names, told, strict=True)]


def _owner(analyses: Sequence[Analysis], attribution: Attribution) -> Analysis:
    """The analysis that an attribution explains: of two of one network, the first."""
    for analysis in analyses:
        if (analysis.model, analysis.protocol) == (attribution.model, attribution.protocol):
            return analysis
    raise ValueError(f"an attribution of {attribution.model.name}, of which there is no analysis")


def _titled(told: str, title: str) -> str:
    """A section's title, after the network's name where there are two."""
    return f"{told}: {title}" if told else title[0].upper() + title[1:]


def _score_rows(analysis: Analysis) -> Iterator[list[str]]:
    first, last = analysis.pts_seconds.min(1), analysis.pts_seconds.max(1)
    places = [
        (str(place), seconds_range(*span))
        for place, span in enumerate(zip(first.tolist(), last.tolist(), strict=True), 1)
    ]
    places.append(("video", seconds_range(float(first.min()), float(last.max()))))
    answers = [*analysis.snippet_scores, analysis.video_scores]
    for place, scores in zip(places, answers, strict=True):
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
    caption = "Weights of every block, and how much selecting changes its gate"
    return Table(("Block", *names, "Change of the gate"), rows, 1, caption)


def _of_view(analysis: Analysis, view: int) -> str:
    """Which of the forwards the captured values are of, where there were several."""
    if analysis.protocol.num_views == 1:
        return ""
    return f"Shown is {text.view_name(analysis.protocol, view).replace('View', 'view', 1)}."


def _sentence(markdown: str) -> Markup:
    return Markup(_markdown.renderInline(markdown))


def _blocks(markdown: str) -> Markup:
    return Markup(_markdown.render(markdown))


def _inert(document: str) -> Markup:
    """JSON that ends no script element: what could only stand in strings is written as escapes."""
    for sign in "<>&":
        document = document.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(document)
