"""The commands on one video: predict, compare and report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import StatusMessages, load_ensemble, load_network, print_json
from dsanet_core.errors import printable
from dsanet_core.text_format import file_size

if TYPE_CHECKING:
    from dsanet_core.ensemble import EnsembleAnalysis
    from dsanet_core.records import Analysis, Array, Video
    from dsanet_core.untrimmed import UntrimmedAnalysis

    AnyAnalysis = Analysis | UntrimmedAnalysis


def predict(args: argparse.Namespace) -> None:
    from dsanet_core.records import Analysis

    prediction = _analyze_ensemble(args)
    members = prediction.members
    if args.json:
        documents = [prediction_document(member, args.top) for member in members]
        together = {"top": _top_classes(prediction, args.top), "members": documents}
        print_json(documents[0] if len(members) == 1 else together)
        return
    print_video(members[0].video)
    for member in members:
        _print_prediction(member, args.top)
        print("  per snippet")
        for place, scores in zip(_snippet_labels(member), member.snippet_scores, strict=True):
            print(f"    {place:<24}{_top_class(member, scores)}")
        if isinstance(member, Analysis):
            _print_selections(member)
    if len(members) > 1:
        print(f"\n{prediction.name}: scores averaged")
        _print_top(prediction, args.top)


def compare(args: argparse.Namespace) -> None:
    a, b = _analyze_models(args)
    agree = a.top(1)[0][0] == b.top(1)[0][0]
    if args.json:
        print_json({"agree": agree, "models": [prediction_document(x, args.top) for x in (a, b)]})
        return
    print_video(a.video)
    for analysis in (a, b):
        _print_prediction(analysis, args.top)
    print(f"\nThe models {'agree' if agree else 'disagree'} on the video.")
    rows = [("", a.model.name, b.model.name)]
    if _snippet_labels(a) == _snippet_labels(b):
        tops = zip(_snippet_labels(a), a.snippet_scores, b.snippet_scores, strict=True)
        rows += [(place, _top_class(a, left), _top_class(b, right)) for place, left, right in tops]
    rows.append(("video", _top_class(a, a.video_scores), _top_class(b, b.video_scores)))
    width = max(len(left) for _, left, _ in rows) + 2
    for place, left, right in rows:
        print(f"{place:<20}{left:<{width}}{right}")


def _analyze_ensemble(args: argparse.Namespace) -> EnsembleAnalysis:
    """The analyses of the members of `--model`, and their average."""
    with StatusMessages("loading") as progress:
        ensemble = load_ensemble(args.model, args)
        analyze = ensemble.analyze_untrimmed if args.untrimmed else ensemble.analyze
        return analyze(args.video, progress=progress.report)


def _analyze_models(args: argparse.Namespace) -> list[Analysis]:
    """The analysis by each of `--models`, whose classes may differ."""
    with StatusMessages("loading") as progress:
        from dsanet_core.ensemble import analyze_each

        networks = [load_network(model, args) for model in args.models]
        return analyze_each(args.video, networks, progress=progress.report)


def prediction_document(analysis: AnyAnalysis, top: int) -> dict[str, Any]:
    """JSON of a prediction: the top classes, and the record as of `analysis_from_json`, or for an
    untrimmed video of `UntrimmedAnalysis.to_dict`."""
    from dsanet_core.serialize import analysis_to_json
    from dsanet_core.untrimmed import UntrimmedAnalysis

    best = _top_classes(analysis, top)
    if isinstance(analysis, UntrimmedAnalysis):
        return {"top": best, "untrimmed": analysis.to_dict()}
    return {"top": best, "analysis": json.loads(analysis_to_json(analysis, thumbnails=False))}


def _top_classes(prediction: AnyAnalysis | EnsembleAnalysis, top: int) -> list[dict[str, Any]]:
    return [{"category": name, "probability": score} for name, score in prediction.top(top)]


def print_video(video: Video) -> None:
    print(
        f"{printable(video.name)}: {video.codec} in {video.container}, {video.width}x"
        f"{video.height}, {video.fps:.4g} frames/s, {video.duration_seconds:.1f} s"
    )
    for note in video.notes:
        print(f"  note: {note}")


def _print_prediction(analysis: AnyAnalysis, top: int) -> None:
    from dsanet_core.untrimmed import UntrimmedAnalysis

    model = analysis.model
    print(f"\n{model.name} ({model.weights}, {model.params / 1e6:.2f} M parameters)")
    if isinstance(analysis, UntrimmedAnalysis):
        print(f"  {analysis.describe()}")
        _print_top(analysis, top)
        return
    print(f"  {analysis.protocol.describe()}")
    _print_top(analysis, top)
    familiarity = analysis.familiarity
    if familiarity is not None and not familiarity.is_familiar:
        print(
            f"  This video does not look like the training data ({model.trained_on}): score "
            f"{familiarity.score:.3g}, expected at least {familiarity.threshold:.3g}."
        )


def _print_top(prediction: AnyAnalysis | EnsembleAnalysis, top: int) -> None:
    for name, score in prediction.top(top):
        print(f"  {score:>7.1%}  {printable(name)}")


def _print_selections(analysis: Analysis) -> None:
    """Print the selection of every SDA block, averaged over the views."""
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


def _snippet_labels(analysis: AnyAnalysis) -> list[str]:
    spans = zip(analysis.pts_seconds.min(1), analysis.pts_seconds.max(1), strict=True)
    return [
        f"{index}: {first:.2f} to {last:.2f} s" if last > first else f"{index}: at {first:.2f} s"
        for index, (first, last) in enumerate(spans, 1)
    ]


def _top_class(analysis: AnyAnalysis, scores: Array) -> str:
    best = int(scores.argmax())
    return f"{scores[best]:>6.1%}  {printable(analysis.model.classes[best])}"


def report(args: argparse.Namespace) -> None:
    from dsanet_core.report import check_name, report_name, write_report

    if args.out is not None:
        check_name(args.out)
    with StatusMessages("loading") as progress:
        from dsanet_core.analysis import analyze
        from dsanet_core.ensemble import read_each

        names = [args.model] if args.against is None else [args.model, args.against]
        networks = [load_network(name, args) for name in names]
        seen = read_each(args.video, networks, progress=progress.report)
        shown = list(zip(seen, networks, strict=True))
        analyses = [analyze(*each, progress=progress.report) for each in shown]
        attributions = []
        if args.explain is not None:
            from dsanet_core.attribution import attribute

            attributions = [
                attribute(*each, args.explain, progress=progress.report) for each in shown
            ]
    measured = {each.weights.sha256: each.weights.accuracy for each in networks if each.weights}
    path = args.out or Path(report_name(analyses))
    existed = path.exists()
    write_report(path, analyses, attributions=attributions, accuracies=measured)
    size = file_size(path.stat().st_size)
    print(f"{printable(str(path))} ({size}{', replaced' if existed else ''})")
