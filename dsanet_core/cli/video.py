"""Commands about one video: predict and compare."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import Progress, load, load_members, print_json
from dsanet_core.errors import printable

if TYPE_CHECKING:
    from dsanet_core.ensemble import EnsembleAnalysis
    from dsanet_core.records import Analysis, Array, Video
    from dsanet_core.untrimmed import UntrimmedAnalysis

    Answer = Analysis | UntrimmedAnalysis


def predict(args: argparse.Namespace) -> None:
    from dsanet_core.records import Analysis

    answer = _ask(args)
    members = answer.members
    if args.json:
        documents = [document(member, args.top) for member in members]
        together = {"top": _top(answer, args.top), "members": documents}
        print_json(documents[0] if len(members) == 1 else together)
        return
    print_video(members[0].video)
    for member in members:
        _print_answer(member, args.top)
        print("  per snippet")
        for place, scores in zip(_places(member), member.snippet_scores, strict=True):
            print(f"    {place:<24}{_best(member, scores)}")
        if isinstance(member, Analysis):
            _print_selections(member)
    if len(members) > 1:
        print(f"\n{answer.name}: scores averaged")
        _print_best(answer, args.top)


def compare(args: argparse.Namespace) -> None:
    a, b = _analyses(args)
    agree = a.top(1)[0][0] == b.top(1)[0][0]
    if args.json:
        print_json({"agree": agree, "models": [document(x, args.top) for x in (a, b)]})
        return
    print_video(a.video)
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


def _ask(args: argparse.Namespace) -> EnsembleAnalysis:
    """What each network of `--model` says of the video, and all together."""
    with Progress("loading") as progress:
        ensemble = load_members(args.model, args)
        ask = ensemble.analyze_untrimmed if args.untrimmed else ensemble.analyze
        return ask(args.video, progress=progress.report)


def _analyses(args: argparse.Namespace) -> list[Analysis]:
    """The video under each network of `--models`, whose categories may differ."""
    with Progress("loading") as progress:
        from dsanet_core.ensemble import analyze_each

        networks = [load(model, args) for model in args.models]
        return analyze_each(args.video, networks, progress=progress.report)


def document(analysis: Answer, top: int) -> dict[str, Any]:
    """The best categories, and the whole record as `serialize.analysis_from_json` reads it; of a
    long video as `UntrimmedAnalysis.to_dict` gives it."""
    from dsanet_core.serialize import analysis_to_json
    from dsanet_core.untrimmed import UntrimmedAnalysis

    best = _top(analysis, top)
    if isinstance(analysis, UntrimmedAnalysis):
        return {"top": best, "untrimmed": analysis.to_dict()}
    return {"top": best, "analysis": json.loads(analysis_to_json(analysis, thumbnails=False))}


def _top(answer: Answer | EnsembleAnalysis, top: int) -> list[dict[str, Any]]:
    return [{"category": name, "probability": score} for name, score in answer.top(top)]


def print_video(video: Video) -> None:
    print(
        f"{printable(video.name)}: {video.codec} in {video.container}, {video.width}x"
        f"{video.height}, {video.fps:.4g} frames/s, {video.duration_seconds:.1f} s"
    )
    for note in video.notes:
        print(f"  note: {note}")


def _print_answer(analysis: Answer, top: int) -> None:
    from dsanet_core.untrimmed import UntrimmedAnalysis

    model = analysis.model
    print(f"\n{model.name} ({model.weights}, {model.params / 1e6:.2f} M parameters)")
    if isinstance(analysis, UntrimmedAnalysis):
        print(f"  {analysis.describe()}")
        _print_best(analysis, top)
        return
    print(f"  {analysis.protocol.describe()}")
    _print_best(analysis, top)
    familiarity = analysis.familiarity
    if familiarity is not None and not familiarity.is_familiar:
        print(
            f"  This video does not look like the training data ({model.trained_on}): score "
            f"{familiarity.score:.3g}, expected at least {familiarity.threshold:.3g}."
        )


def _print_best(answer: Answer | EnsembleAnalysis, top: int) -> None:
    for name, score in answer.top(top):
        print(f"  {score:>7.1%}  {printable(name)}")


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


def _places(analysis: Answer) -> list[str]:
    spans = zip(analysis.pts_seconds.min(1), analysis.pts_seconds.max(1), strict=True)
    return [
        f"{index}: {first:.2f} to {last:.2f} s" if last > first else f"{index}: at {first:.2f} s"
        for index, (first, last) in enumerate(spans, 1)
    ]


def _best(analysis: Answer, scores: Array) -> str:
    best = int(scores.argmax())
    return f"{scores[best]:>6.1%}  {printable(analysis.model.classes[best])}"
