"""Changes as choices, words and addresses, and what is said of what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.server import samples
from app.ui.text import block_name, escape, percent
from dsanet_core import synthetic
from dsanet_core.records import Analysis
from dsanet_core.report.attribution_text import hanging as hanging
from dsanet_core.text_format import points
from dsanet_core.whatif import Change, parse_change
from dsanet_core.whatif.changes import Drop, OtherKernel, Repeat

EVERY = "*"
"""In an address, in place of a block's name: all blocks of the network that can be changed so."""
AS_IT_IS = ""
KERNEL = "kernel="
ORDERS = {
    AS_IT_IS: "as it is",
    "reverse": "reversed",
    "swap_halves": "halves swapped",
    "shuffle:0": "shuffled",
    "reverse_time": "time backwards (frames too)",
}
FREEZE = "freeze"
NAMES = AS_NAMED, CHANGED = "as it is", "with changes"
"""What the answers before and after are called."""


def blocks_of(analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """Every DSA or SDA block from the input on -> what it can be made do, beside `AS_IT_IS`; a
    kernel of another video stands without its source."""
    found: dict[str, tuple[str, ...]] = {
        kernel.block: ("identity", "average", KERNEL) for kernel in analysis.kernels
    }
    for selection in analysis.selections:
        only = tuple(f"only={name}" for name in selection.dependencies)
        found[selection.block] = ("equal", *only, "gate_off")
    return dict(sorted(found.items()))


def doing(how: str) -> str:
    """What a choice of a block is called."""
    if how.startswith("only="):
        return f"{how.removeprefix('only=')} alone"
    if how.startswith(KERNEL):
        return "kernel of another video"
    return {
        AS_IT_IS: "as it is", "identity": "identity kernel", "average": "averaging kernel",
        "equal": "equal weights (AVG)", "gate_off": "gate off",
    }[how]  # fmt: skip


def how_of(text: str) -> tuple[str, str]:
    """A change to a block as what is done and to which block."""
    how, _, block = text.rpartition(":")
    return how, block


def expand(texts: Sequence[str], analysis: Analysis) -> list[str]:
    """Those of the texts that fit this network and video, one to a block, in the order in which
    they are made: what is shown first, then the blocks from the input on."""
    blocks = blocks_of(analysis)
    count = len(analysis.frame_index)
    shown: dict[str, list[str]] = {"repeat": [], "drop": [], FREEZE: [], "order": []}
    done: dict[str, str] = {}
    for text in texts:
        how, name = how_of(text)
        if name == EVERY or name in blocks:
            for block in blocks if name == EVERY else [name]:
                if _can(how, blocks[block]):
                    done.setdefault(block, how)
        elif text in ORDERS and text:
            shown["order"] = [text]
        elif text == FREEZE and analysis.protocol.sampling.frames_per_snippet > 1:
            shown[FREEZE] = [text]
        elif how in ("repeat", "drop") and name in {str(i + 1) for i in range(count)}:
            shown[how] = sorted({*shown[how], text}, key=lambda each: int(each.split(":")[1]))
    return [
        *(text for part in shown.values() for text in part),
        *(f"{done[block]}:{block}" for block in blocks if block in done),
    ]


def _can(how: str, ways: Sequence[str]) -> bool:
    if how.startswith(KERNEL):
        return KERNEL in ways and samples.label_of(how.removeprefix(KERNEL)) is not None
    return how in ways


def shorten(texts: Sequence[str], analysis: Analysis) -> list[str]:
    """The same changes as short as an address can say them."""
    blocks = blocks_of(analysis)
    of_blocks = [how_of(text) for text in texts if how_of(text)[1] in blocks]
    ways = {how for how, _ in of_blocks}
    if len(of_blocks) == len(blocks) > 1 and len(ways) == 1:
        other = [text for text in texts if how_of(text)[1] not in blocks]
        return [*other, f"{ways.pop()}:{EVERY}"]
    return list(texts)


def describe(text: str) -> str:
    """One change in words for people; not escaped."""
    how, block = how_of(text)
    source = samples.label_of(how.removeprefix(KERNEL)) if how.startswith(KERNEL) else None
    if source is not None:
        said = f"the kernel that it made for “{synthetic.CATEGORIES[source]}”"
    elif block == EVERY:
        said = doing(how)
    else:
        said = parse_change(text).describe().removeprefix(f"{block}: ")
    if block == EVERY:
        return f"every block: {said}"
    return f"{block_name(block)}: {said}" if block.startswith("layer") else said


def changes(texts: Sequence[str], sources: Mapping[str, Analysis]) -> list[Change]:
    """The changes themselves. sources: what the same network says of the videos whose kernels are
    taken, by their id."""
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
    """Ids of the videos whose kernels are taken."""
    hows = (how_of(text)[0] for text in texts)
    return list(dict.fromkeys(h.removeprefix(KERNEL) for h in hows if h.startswith(KERNEL)))


def snippets(texts: Sequence[str], what: type[Drop] | type[Repeat]) -> list[str]:
    """Snippets that are dropped, or repeated."""
    found = map(parse_change, texts)
    return [str(change.snippet) for change in found if isinstance(change, what)]


def named(analysis: Analysis, name: str) -> Analysis:
    """An answer whose network is called otherwise, to stand beside another of the same network."""
    return replace(analysis, model=replace(analysis.model, name=name))


def verdict(before: Analysis, after: Analysis) -> str:
    """What the changes did to the answer."""
    (was, sure), (now, then) = before.top(1)[0], after.top(1)[0]
    still = float(after.video_scores[before.model.classes.index(was)])
    if was == now:
        return (
            f"**The answer stays “{escape(was)}”**, from {percent(sure)} to {percent(then)} "
            f"({points(then - sure)})."
        )
    return (
        f"**The answer changes from “{escape(was)}” to “{escape(now)}”** ({percent(then)}); "
        f"“{escape(was)}” falls from {percent(sure)} to {percent(still)} ({points(still - sure)})."
    )


def order_reading(before: Analysis, texts: Sequence[str]) -> str:
    """What another order of the snippets means to this network; "" where there is none."""
    order = next((text for text in texts if text in ORDERS), None)
    if order is None:
        return ""
    consensus, word = before.model.consensus, before.protocol.snippet_word
    joins = blocks_of(before)
    apart = [text for text in texts if how_of(text)[0] == "identity"]
    if consensus == "dsa" and len(apart) == len(joins):
        consensus = "average"
    if consensus != "average":
        return (
            f"This network's {word}s meet before their scores are averaged, so their order can "
            "change the answer: that is what it adds to plain averaging."
        )
    averages = (
        f"This network averages its {word}s"
        if before.model.consensus == "average"
        else "With the identity kernel in every DSA block this network only averages its snippets"
    )
    within = order == "reverse_time" and before.protocol.sampling.frames_per_snippet > 1
    if within:
        return (
            f"{averages}, so their order alone changes nothing; here the frames within each "
            "snippet run backwards too, and those it does see."
        )
    if order.startswith("shuffle") and before.protocol.num_groups > 1:
        return (
            f"{averages}, so their order changes nothing but which of them are averaged together, "
            "in which of its views."
        )
    return (
        f"{averages}, and a mean does not know their order: apart from rounding the answer is the "
        "same as in their own order, whatever the video."
    )
