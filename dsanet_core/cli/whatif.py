"""Commands about what a prediction hangs on: whatif and effects."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.data import Report
from dsanet_core.cli.output import Progress, load, log, print_json
from dsanet_core.cli.video import document, print_video
from dsanet_core.errors import ModelError, printable

if TYPE_CHECKING:
    from dsanet_core.models.base import VideoNetwork
    from dsanet_core.records import Analysis, Effects
    from dsanet_core.whatif import Change


def whatif(args: argparse.Namespace) -> None:
    if not args.changes and not args.rank:
        raise ModelError("nothing to try", "--change or --rank", "For example: --change reverse")
    with Progress("loading") as progress:
        from dsanet_core.analysis import analyze, protocol_of
        from dsanet_core.video import read_clips
        from dsanet_core.whatif import parse_change, rank_blocks, what_if

        changes = [parse_change(text) for text in args.changes]
        network = load(args.model, args)
        clips = read_clips(args.video, protocol_of(network).sampling)
        after = ranked = None
        if changes:
            changes = [_looked_up(change, network) for change in changes]
            after = what_if(clips, network, changes, progress=progress.report)
        if args.rank:
            ranked = rank_blocks(
                clips, network, category=args.category, progress=progress.report
            )
        before = analyze(clips, network, progress=progress.report)
    if args.json:
        values = {"before": document(before, args.top)}
        if after is not None:
            values["after"] = document(after, args.top)
        if ranked is not None:
            values["blocks"] = _effects_document(ranked, before.model.classes)
        print_json(values)
        return
    print_video(before.video)
    print(f"{before.model.name} ({before.model.weights})\n  {before.protocol.describe()}")
    if after is not None:
        _print_both(before, after, args.top)
    if ranked is not None:
        _print_effects(ranked, before.model.classes)


def effects(args: argparse.Namespace) -> None:
    with Progress("loading"):
        from dsanet_core.checkpoints import load_model
        from dsanet_core.runs import load_run
        from dsanet_core.runs.block_ablation import measure_run
        from dsanet_core.runs.summary import FILE

        named = args.runs / args.run
        folder = named if named.is_dir() else Path(args.run)
        run = load_run(folder / FILE)
        network = load_model(args.model or run.model.name, args.device)
    found = measure_run(folder, network, limit=args.limit, report=Report())
    if args.json:
        print_json({
            "run": run.id,
            "blocks": found.blocks,
            "changes": found.changes,
            "categories": {
                run.classes[index]: {
                    "videos": int(found.videos[index]),
                    "before": float(found.before[index]),
                    "after": found.after[index].tolist(),
                    "drop": found.drop[index].tolist(),
                }
                for index in found.videos.nonzero()[0]
            },
            "seconds": found.seconds,
        })
        return
    before, after, drop = map(found.over_videos, (found.before, found.after, found.drop))
    print(f"{run.model.name} ({run.model.weights}) on {run.dataset}")
    print(f"  {found.videos.sum()} videos, top-1 {before:.1%}; with one block neutral:\n")
    print("  top-1   drop  block: what was done; the category that hangs on it most")
    for place, words in enumerate(found.changes):
        most = max(found.videos.nonzero()[0], key=found.drop[:, place].__getitem__)
        print(f"{after[place]:>7.1%} {drop[place]:>+6.1%}  {words}; {printable(run.classes[most])} "
              f"{found.drop[most, place]:+.1%}")
    log(f"kept in {folder}")


def _looked_up(change: Change, network: VideoNetwork) -> Change:
    """The kernel that a change takes from another video is what the network makes for it."""
    from dsanet_core.analysis import analyze
    from dsanet_core.whatif import OtherKernel

    if not isinstance(change, OtherKernel):
        return change
    return change.of(analyze(change.source, network))


def _effects_document(ranked: Effects, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "category": classes[ranked.category],
        "before": ranked.before,
        "after": [
            {"block": block, "change": change, "probability": float(after),
             "answer": classes[best]}
            for block, change, after, best in zip(
                ranked.blocks, ranked.changes, ranked.after, ranked.answers, strict=True
            )
        ],
    }  # fmt: skip


def _print_both(before: Analysis, after: Analysis, top: int) -> None:
    print("\nwith")
    for words in after.changes:
        print(f"  {printable(words)}")
    names = dict.fromkeys(name for one in (before, after) for name, _ in one.top(top))
    print("\n  before    after")
    for name in names:
        index = before.model.classes.index(name)
        shares = "  ".join(f"{one.video_scores[index]:>7.1%}" for one in (before, after))
        print(f"{shares}  {printable(name)}")


def _print_effects(ranked: Effects, classes: tuple[str, ...]) -> None:
    print(f"\n{printable(classes[ranked.category])}: {ranked.before:.1%}; with one block neutral")
    print("   drop    then  block: what was done; the answer then")
    for place in (-ranked.drop).argsort(kind="stable"):
        print(f"{ranked.drop[place]:>+7.1%} {ranked.after[place]:>7.1%}  {ranked.changes[place]}; "
              f"{printable(classes[ranked.answers[place]])}")
