"""Changes as options, labels and parts of an address, and sentences about their effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.server import samples
from dsanet_core import synthetic
from dsanet_core.records import Analysis
from dsanet_core.report.text import block_name, escape
from dsanet_core.text_format import percent, points
from dsanet_core.whatif import Change, parse_change
from dsanet_core.whatif.changes import Drop, OtherKernel, Repeat

EVERY = "*"
"""In an address, in place of a block's name: all blocks of the model that allow the change."""
UNCHANGED = ""
KERNEL = "kernel="
ORDERS = {
    UNCHANGED: "original",
    "reverse": "reversed",
    "swap_halves": "halves swapped",
    "shuffle:0": "shuffled",
    "reverse_time": "time reversed (frames too)",
}
FREEZE = "freeze"
LABELS = ORIGINAL, MODIFIED = "original", "modified"
"""Labels of the predictions before and after the changes."""


def blocks_of(analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """Every DSA or SDA block in model order -> its possible changes besides `UNCHANGED`; the kernel
    of a donor video without the video's id."""
    found: dict[str, tuple[str, ...]] = {
        kernel.block: ("identity", "average", KERNEL) for kernel in analysis.kernels
    }
    for selection in analysis.selections:
        only = tuple(f"only={name}" for name in selection.dependencies)
        found[selection.block] = ("equal", *only, "gate_off")
    return dict(sorted(found.items()))


def override_label(how: str) -> str:
    """Label of an option of a block."""
    if how.startswith("only="):
        return f"only {how.removeprefix('only=')}"
    if how.startswith(KERNEL):
        return "kernel of the donor video"
    return {
        UNCHANGED: "original", "identity": "identity kernel", "average": "averaging kernel",
        "equal": "equal weights (AVG)", "gate_off": "gate off",
    }[how]  # fmt: skip


def split(text: str) -> tuple[str, str]:
    """Kind and target of a change: "identity:layer2.1.dsa" -> ("identity", "layer2.1.dsa")."""
    how, _, block = text.rpartition(":")
    return how, block


def expand(texts: Sequence[str], analysis: Analysis) -> list[str]:
    """The texts that are valid for this model and video, one per block, in the order in which they
    are applied: changes of the input first, then of the blocks in model order."""
    blocks = blocks_of(analysis)
    count = len(analysis.frame_index)
    inputs: dict[str, list[str]] = {"repeat": [], "drop": [], FREEZE: [], "order": []}
    overrides: dict[str, str] = {}
    for text in texts:
        how, name = split(text)
        if name == EVERY or name in blocks:
            for block in blocks if name == EVERY else [name]:
                if _is_allowed(how, blocks[block]):
                    overrides.setdefault(block, how)
        elif text in ORDERS and text:
            inputs["order"] = [text]
        elif text == FREEZE and analysis.protocol.sampling.frames_per_snippet > 1:
            inputs[FREEZE] = [text]
        elif how in ("repeat", "drop") and name in {str(i + 1) for i in range(count)}:
            inputs[how] = sorted({*inputs[how], text}, key=lambda each: int(each.split(":")[1]))
    return [
        *(text for part in inputs.values() for text in part),
        *(f"{overrides[block]}:{block}" for block in blocks if block in overrides),
    ]


def _is_allowed(how: str, ways: Sequence[str]) -> bool:
    if how.startswith(KERNEL):
        return KERNEL in ways and samples.label_of(how.removeprefix(KERNEL)) is not None
    return how in ways


def shorten(texts: Sequence[str], analysis: Analysis) -> list[str]:
    """The same changes in their shortest form for an address."""
    blocks = blocks_of(analysis)
    of_blocks = [split(text) for text in texts if split(text)[1] in blocks]
    ways = {how for how, _ in of_blocks}
    if len(of_blocks) == len(blocks) > 1 and len(ways) == 1:
        other = [text for text in texts if split(text)[1] not in blocks]
        return [*other, f"{ways.pop()}:{EVERY}"]
    return list(texts)


def describe(text: str) -> str:
    """Description of one change, not escaped."""
    how, block = split(text)
    source = samples.label_of(how.removeprefix(KERNEL)) if how.startswith(KERNEL) else None
    if source is not None:
        description = f"its kernel for “{synthetic.CATEGORIES[source]}”"
    elif block == EVERY:
        description = override_label(how)
    else:
        description = parse_change(text).describe().removeprefix(f"{block}: ")
    if block == EVERY:
        return f"every block: {description}"
    if block.startswith("layer"):
        return f"{block_name(block)}: {description}"
    return description


def changes(texts: Sequence[str], sources: Mapping[str, Analysis]) -> list[Change]:
    """Parsed changes. sources: analyses of the donor videos by the same model, by video id."""
    found: list[Change] = []
    for text in texts:
        change = parse_change(text)
        if isinstance(change, OtherKernel):
            analysis = sources[change.source]
            named = OtherKernel(analysis.video.name, change.block)
            change = named.of(analysis)
        found.append(change)
    return found


def sources(texts: Sequence[str]) -> list[str]:
    """Ids of the donor videos."""
    hows = (split(text)[0] for text in texts)
    return list(dict.fromkeys(h.removeprefix(KERNEL) for h in hows if h.startswith(KERNEL)))


def snippets(texts: Sequence[str], what: type[Drop] | type[Repeat]) -> list[str]:
    """Numbers of the snippets that are dropped, or repeated."""
    found = map(parse_change, texts)
    return [str(change.snippet) for change in found if isinstance(change, what)]


def renamed(analysis: Analysis, name: str) -> Analysis:
    """The analysis under another model name, to tell it from another one of the same model."""
    return replace(analysis, model=replace(analysis.model, name=name))


def prediction_change(before: Analysis, after: Analysis) -> str:
    """The prediction and its probability before and after the changes."""
    (was, old), (now, new) = before.top(1)[0], after.top(1)[0]
    remaining = float(after.video_scores[before.model.classes.index(was)])
    if was == now:
        return (
            f"**The prediction remains “{escape(was)}”**: {percent(old)} → {percent(new)} "
            f"({points(new - old)})."
        )
    return (
        f"**The prediction changes from “{escape(was)}” to “{escape(now)}”** ({percent(new)}). "
        f"“{escape(was)}”: {percent(old)} → {percent(remaining)} ({points(remaining - old)})."
    )


def order_note(before: Analysis, texts: Sequence[str]) -> str:
    """The effect of another snippet order on this kind of model; "" for the original order."""
    order = next((text for text in texts if text in ORDERS), None)
    if order is None:
        return ""
    consensus, word = before.model.consensus, before.protocol.snippet_word
    identities = [text for text in texts if split(text)[0] == "identity"]
    if consensus == "dsa" and len(identities) == len(blocks_of(before)):
        consensus = "average"
    if consensus != "average":
        return (
            f"This model mixes its {word}s before their scores are averaged, so their order can "
            "change the prediction, unlike with plain averaging."
        )
    averages = (
        f"This model averages the scores of its {word}s"
        if before.model.consensus == "average"
        else "With identity kernels in all DSA blocks, this model only averages snippet scores"
    )
    within = order == "reverse_time" and before.protocol.sampling.frames_per_snippet > 1
    if within:
        return (
            f"{averages}, so their order alone changes nothing. Here the frames within each "
            "snippet are reversed too, which can change their scores."
        )
    if order.startswith("shuffle") and before.protocol.num_groups > 1:
        return (
            f"{averages}, so their order only changes which of them are averaged together in a "
            "view."
        )
    return (
        f"{averages}, and a mean does not depend on their order: apart from rounding, the "
        "prediction is the same for any order."
    )
