"""Commands about one video: predict and compare."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import Progress, load, print_json
from dsanet_core.errors import printable

if TYPE_CHECKING:
    from dsanet_core.records import Analysis, Array


def predict(args: argparse.Namespace) -> None:
    analysis = _analyses(args, [args.model])[0]
    if args.json:
        print_json(_document(analysis, args.top))
        return
    _print_video(analysis)
    _print_answer(analysis, args.top)
    print("  per snippet")
    for place, scores in zip(_places(analysis), analysis.snippet_scores, strict=True):
        print(f"    {place:<24}{_best(analysis, scores)}")
    _print_selections(analysis)


def compare(args: argparse.Namespace) -> None:
    a, b = _analyses(args, args.models)
    agree = a.top(1)[0][0] == b.top(1)[0][0]
    if args.json:
        print_json({"agree": agree, "models": [_document(x, args.top) for x in (a, b)]})
        return
    _print_video(a)
    for analysis in (a, b):
        _print_answer(analysis, args.top)
    print(f"\nThe networks {'agree' if agree else 'disagree'} on the video.")
    rows = [("", a.model.name, b.model.name)]
    if _places(a) == _places(b):
        answers = zip(_places(a), a.snippet_scores, b.snippet_scores, strict=True)
        rows += [(place, _best(a, left), _best(b, right)) for place, left, right in answers]
    rows.append(("video", _best(a, a.video_scores), _best(b, b.video_scores)))
    width = max(len(left) for _, left, _ in rows) + 2
    for place, left, right in rows:
        print(f"{place:<20}{left:<{width}}{right}")


def _analyses(args: argparse.Namespace, models: Sequence[str]) -> list[Analysis]:
    """The video of the command line under each model; one decode where their sampling agrees."""
    with Progress("loading") as progress:
        from dsanet_core.analysis import analyze
        from dsanet_core.video import read_clips

        def report(step: str, share: float) -> None:
            progress.doing = f"{step}, {share:.0%}"

        networks = [load(model, args) for model in models]
        clips: dict[Any, Any] = {}
        for network in networks:
            sampling = network.spec.protocol.sampling
            if sampling not in clips:
                progress.doing = "decode"
                clips[sampling] = read_clips(args.video, sampling)
        return [
            analyze(clips[network.spec.protocol.sampling], network, progress=report)
            for network in networks
        ]


def _document(analysis: Analysis, top: int) -> dict[str, Any]:
    """The best categories, and the whole record as `serialize.analysis_from_json` reads it."""
    from dsanet_core.serialize import analysis_to_json

    best = [{"category": name, "probability": score} for name, score in analysis.top(top)]
    return {"top": best, "analysis": json.loads(analysis_to_json(analysis, thumbnails=False))}


def _print_video(analysis: Analysis) -> None:
    video = analysis.video
    print(
        f"{printable(video.name)}: {video.codec} in {video.container}, {video.width}x"
        f"{video.height}, {video.fps:.4g} frames/s, {video.duration_seconds:.1f} s"
    )
    for note in video.notes:
        print(f"  note: {note}")


def _print_answer(analysis: Analysis, top: int) -> None:
    model = analysis.model
    print(f"\n{model.name} ({model.weights}, {model.params / 1e6:.2f} M parameters)")
    print(f"  {analysis.protocol.describe()}")
    for name, score in analysis.top(top):
        print(f"  {score:>7.1%}  {printable(name)}")
    familiarity = analysis.familiarity
    if familiarity is not None and not familiarity.is_familiar:
        print(
            f"  This video does not look like the training data ({model.trained_on}): score "
            f"{familiarity.score:.3g}, expected at least {familiarity.threshold:.3g}."
        )


def _print_selections(analysis: Analysis) -> None:
    """What every SDA block selected: means over the views."""
    if not analysis.selections:
        return
    print("  per SDA block: weight of each dependency (energy of its response); mean gate (with")
    print("  equal weights)")
    for selection in analysis.selections:
        shares = "  ".join(
            f"{name} {weight:>5.1%} ({energy:.2f})"
            for name, weight, energy in zip(
                selection.dependencies, selection.weights.mean(0), selection.energy.mean(0),
                strict=True,
            )
        )  # fmt: skip
        gate, average = (g.mean(dtype=float) for g in (selection.gate, selection.average_gate))
        print(f"    {selection.block:<16}{shares}  gate {gate:.3f} ({average:.3f})")


def _places(analysis: Analysis) -> list[str]:
    spans = zip(analysis.pts_seconds.min(1), analysis.pts_seconds.max(1), strict=True)
    return [
        f"{index}: {first:.2f} to {last:.2f} s" if last > first else f"{index}: at {first:.2f} s"
        for index, (first, last) in enumerate(spans, 1)
    ]


def _best(analysis: Analysis, scores: Array) -> str:
    best = int(scores.argmax())
    return f"{scores[best]:>6.1%}  {printable(analysis.model.classes[best])}"
