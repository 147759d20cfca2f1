"""Predictions after changes, and the importance of every block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from dsanet_core.analysis import (
    StepProgress,
    analyze_clips,
    category_index,
    open_clips,
    open_network,
    protocol_of,
    run_network,
)
from dsanet_core.errors import ModelError
from dsanet_core.hooks import Intervention
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.records import Analysis, Array, Clips, Effects
from dsanet_core.video import to_tensor
from dsanet_core.whatif.changes import (
    BlockChange,
    Change,
    GateOff,
    IdentityKernel,
    InputChange,
    Shown,
    parse_change,
)


def what_if(
    video: str | Path | Clips,
    model: str | Path | VideoNetwork,
    changes: Sequence[Change | str],
    *,
    device: str = "auto",
    progress: StepProgress | None = None,
) -> Analysis:
    """`analyze` with changes, which stand in words in the analysis: those to the input in their
    order, and one to each block at the most. Its frames and times are those that were shown, in
    the order in which they were; a dropped snippet's are those it would have shown.

    video, model, device, progress: as of `analyze`. changes: values, or texts for `parse_change`.
    Raises ModelError for a change that does not fit the network, and what `analyze` raises.
    """
    report = progress or (lambda step, share: None)
    network = open_network(model, device)
    made = [parse_change(change) if isinstance(change, str) else change for change in changes]
    interventions = interventions_of(network, made)
    clips, seconds = open_clips(video, network, report)
    clips, absent = shown_then(clips, made)
    return analyze_clips(
        clips,
        network,
        seconds,
        report,
        absent=absent,
        interventions=interventions,
        changes=tuple(change.describe() for change in made),
    )


def shown_then(clips: Clips, changes: Sequence[Change]) -> tuple[Clips, Array]:
    """Clips after the changes to the input, and (snippets,) bool of those that show nothing."""
    shown = Shown(clips.position, np.zeros(len(clips.position), bool))
    for change in changes:
        if isinstance(change, InputChange):
            shown = change.apply(shown)
    position, absent = (np.ascontiguousarray(part) for part in (shown.position, shown.absent))
    return replace(clips, position=position), absent


def interventions_of(network: VideoNetwork, changes: Sequence[Change]) -> dict[str, Intervention]:
    """Interventions of the changes to blocks, by hook point, for one run of a video's views.
    Raises ModelError for a change that does not fit, or a second one to a block."""
    num_views = protocol_of(network).num_views
    found: dict[str, Intervention] = {}
    changed: dict[str, str] = {}
    for change in changes:
        if not isinstance(change, BlockChange):
            continue
        if change.block in changed:
            raise ModelError(
                f"{changed[change.block]!r} and {change.text!r}", "one change to a block",
                "Leave one of them out.",
            )
        changed[change.block] = change.text
        point, intervention = change.intervention(network, num_views)
        found[point] = intervention
    return found


def neutral_changes(network: VideoNetwork) -> list[BlockChange]:
    """Changes that make each DSA or SDA block neutral, from the input on: the block then computes
    what it would without its module. Raises ModelError for a network that has none."""
    found: list[BlockChange] = []
    for name, module in network.named_modules():
        if isinstance(module, DSA):
            found.append(IdentityKernel(name))
        elif isinstance(module, SDA):
            found.append(GateOff(name))
    if not found:
        raise ModelError(
            f"{network.spec.name}, which has nothing to make neutral",
            "a network with DSA or SDA blocks", "Choose dsa_i3d_synth or sda_tsn_synth.",
        )
    return found


def scores_without(
    network: VideoNetwork,
    views: Tensor,
    changes: Sequence[BlockChange],
    report: Callable[[float], None] = lambda share: None,
) -> Array:
    """(1 + changes, classes) video scores of views (views, U, 3, T, H, W): as the network is, and
    with each change alone. report: called with the done share."""
    rounds: list[Sequence[Change]] = [(), *((change,) for change in changes)]
    scores = []
    for done, chosen in enumerate(rounds):
        report(done / len(rounds))
        interventions = interventions_of(network, chosen)
        scores.append(run_network(network, views, interventions=interventions).video_scores)
    report(1.0)
    return np.stack(scores)


def rank_blocks(
    video: str | Path | Clips,
    model: str | Path | VideoNetwork,
    *,
    category: int | str | None = None,
    device: str = "auto",
    progress: StepProgress | None = None,
) -> Effects:
    """Importance of each block for the prediction: every DSA block with the identity kernel, every
    SDA block with its gate off, one at a time. One forward more than there are blocks.

    The layers behind a block were trained with it: a fall says how much they rely on what it does
    to its features, their scale included (a gate halves them, about), not only what it adds.

    category: index or name of the category that is asked about; None: the predicted one.
    video, model, device, progress: as of `analyze`. Raises what it raises, and ModelError for a
    network without such blocks or a category that it does not know.
    """
    report = progress or (lambda step, share: None)
    network = open_network(model, device)
    changes = neutral_changes(network)
    index = None if category is None else category_index(network, category)
    clips, _ = open_clips(video, network, report)
    report("transform", 0.0)
    views = to_tensor(clips, protocol_of(network))
    scores = scores_without(network, views, changes, lambda share: report("network", share))
    asked = int(scores[0].argmax()) if index is None else index
    return Effects(
        category=asked,
        before=float(scores[0, asked]),
        blocks=tuple(change.block for change in changes),
        changes=tuple(change.describe() for change in changes),
        after=scores[1:, asked],
        answers=scores[1:].argmax(1),
    )
