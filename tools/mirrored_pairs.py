"""Does a network take a video for its mirror once the order of its events is turned around?

    python -m tools.mirrored_pairs     # writes docs/mirrored_pairs.md

Videos of the order group of an unseen seed that a network predicts correctly, rearranged in each
way: which share is then given the mirror category, and which still its own?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsanet_core import synthetic
from dsanet_core.analysis import protocol_of, run_network
from dsanet_core.checkpoints import load_model
from dsanet_core.datasets import open_dataset
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Clips
from dsanet_core.synthetic.scripts import MIRROR_OF, MIRRORS
from dsanet_core.video import to_tensor
from dsanet_core.whatif import parse_change, shown_then
from tools import markdown

PAGE = Path("docs") / "mirrored_pairs.md"
NETWORKS = ("dsa_i3d_synth", "v4d_i3d_synth", "sda_tsn_synth", "tsm_synth", "tsn_i3d_synth")
WAYS = ("swap_halves", "reverse_time", "reverse")
OWN_WAY = {name: mirror.turned_by[0] for mirror in MIRRORS for name in mirror.categories}
"""Category -> the rearrangement that turns its videos into those of its mirror."""
SEED, VIDEOS = 8, 400


@dataclass(frozen=True)
class Turned:
    """Of the videos of some categories: how many there were, how many were predicted correctly, and
    the shares of those that became the mirror and that stayed once rearranged."""

    videos: int
    correct: int
    became: float
    stayed: float


def order_rows(count: int) -> list[int]:
    """The first `count` videos of the order group."""
    size = len(synthetic.CATEGORIES)
    rows = (row for row in range(count * size) if synthetic.GROUP_OF[row % size] == "order")
    return [next(rows) for _ in range(count)]


def predictions(
    network: VideoNetwork, rows: Sequence[int], ways: Sequence[str] = WAYS
) -> list[dict[str, str]]:
    """Of each video the predicted categories: "" as it is, and rearranged in each way."""
    protocol = protocol_of(network)
    dataset = open_dataset(f"synth:seed={SEED},n={max(rows) + 1}")
    changes = {"": [], **{way: [parse_change(way)] for way in ways}}

    def best(clips: Clips) -> str:
        views = to_tensor(clips, protocol)
        return str(network.spec.classes[run_network(network, views).video_scores.argmax()])

    found = []
    for row in rows:
        clips = dataset.clips(row, protocol.sampling)
        found.append({way: best(shown_then(clips, made)[0]) for way, made in changes.items()})
    return found


def count(
    rows: Sequence[int], predicted: Sequence[Mapping[str, str]], way_of: Mapping[str, str]
) -> Turned:
    """Predictions for the videos of some categories, each rearranged in the way that is given for
    its category. predicted: as `predictions` gives it."""
    names = [synthetic.CATEGORIES[synthetic.label_of(row)] for row in rows]
    own = [(name, best) for name, best in zip(names, predicted, strict=True) if name in way_of]
    then = [(name, best[way_of[name]]) for name, best in own if best[""] == name]
    return Turned(
        videos=len(own),
        correct=len(then),
        became=float(np.mean([best == MIRROR_OF[name] for name, best in then])),
        stayed=float(np.mean([best == name for name, best in then])),
    )


def table(rows: Sequence[int], predicted: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row per category and one for all; in bold what the generator says."""
    body = []
    for mirror in MIRRORS:
        for name in mirror.categories:
            cells = []
            for way in WAYS:
                turned = count(rows, predicted, {name: way})
                became, stayed = f"{turned.became:.0%}", f"{turned.stayed:.0%}"
                became = f"**{became}**" if way in mirror.turned_by else became
                stayed = f"**{stayed}**" if way in mirror.kept_by else stayed
                cells.append(f"{became}, {stayed}")
            body.append([name, turned.videos, turned.correct, *cells])
    head = ["", "videos", "correct", *(f"`{way}`: mirror, same" for way in WAYS)]
    return markdown.table(head, body)


def summary(rows: Sequence[int], predicted: Sequence[Mapping[str, str]]) -> str:
    """A sentence about all pairs, each by its own rearrangement."""
    turned = count(rows, predicted, OWN_WAY)
    return (
        f"{turned.correct} of {turned.videos} predicted correctly; each pair turned around by its "
        f"own rearrangement, **{turned.became:.1%}** of these become the mirror, "
        f"{turned.stayed:.1%} stay."
    )


def main() -> None:
    rows = order_rows(VIDEOS)
    parts = [
        "# Mirrored pairs: is it the order of the events that decides?",
        "Written by `python -m tools.mirrored_pairs`. "
        f"{VIDEOS} videos of the order group, seed {SEED}, seen by no network; of those that a "
        "network predicts correctly, the share that it takes for the mirror category and the "
        "share that it still takes for their own once they are rearranged. In bold what the "
        "generator says becomes of the pair (`dsanet_core.synthetic.scripts`). `swap_halves`: the "
        "second half of the snippets, then the first, which is how the pairs that go there and "
        "back are turned around; `reverse_time`: everything backwards, which is how the colours "
        "are, and which leaves the others what they were; `reverse`: snippets from last to first, "
        "each with its frames as they were, which contradicts itself in these videos: the events "
        "are in the other order, the rests between them are not. A network that keeps its answer "
        "then goes by the order of the rests.",
    ]
    for name in NETWORKS:
        predicted = predictions(load_model(name), rows)
        parts += [f"## `{name}`", summary(rows, predicted), table(rows, predicted)]
        print(*parts[-3:], sep="\n", flush=True)
    PAGE.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
