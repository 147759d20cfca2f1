"""The commands that explain a prediction: explain and whatif."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dsanet_core.cli.output import StatusMessages, load_network, print_json
from dsanet_core.cli.predict import prediction_document, print_video
from dsanet_core.errors import ModelError, printable

if TYPE_CHECKING:
    from dsanet_core.models.base import VideoNetwork
    from dsanet_core.records import Analysis, Attribution, Clips, Effects, Method, Trust
    from dsanet_core.whatif import Change

METHODS = ("integrated_gradients", "grad_cam", "occlusion", "ablation")


def explain(args: argparse.Namespace) -> None:
    with StatusMessages("loading") as progress:
        from dsanet_core.analysis import describe_model, protocol_of
        from dsanet_core.attribution import attribute, attribution_to_dict, offered, trust_of
        from dsanet_core.video import read_clips

        network = load_network(args.model, args)
        method: Method = args.method
        sha256 = describe_model(network).weights_sha256
        if method not in offered(sha256):
            raise ModelError(
                f"method {method!r} for {args.model}, whose maps were no better than random orders",
                f"one of {', '.join(offered(sha256))}",
                "Choose another one with --method.",
            )
        sampling = protocol_of(network).sampling
        if args.snippet is not None and args.snippet > sampling.num_snippets:
            raise ModelError(
                f"snippet {args.snippet}", f"1 to {sampling.num_snippets}", "See `predict`."
            )
        clips = read_clips(args.video, sampling)
        attribution = attribute(
            clips,
            network,
            method,
            category=args.category,
            snippet=None if args.snippet is None else args.snippet - 1,
            progress=progress.report,
        )
        trust = trust_of(sha256).get(method)
    if args.json:
        measured = None if trust is None else {**asdict(trust), "is_offered": trust.is_offered}
        print_json({**attribution_to_dict(clips, attribution), "trust": measured})
        return
    print_video(attribution.video)
    _print_attribution(clips, attribution)
    _print_trust(trust)


def _print_attribution(clips: Clips, attribution: Attribution) -> None:
    from dsanet_core.records import METHOD_NAMES

    model, protocol = attribution.model, attribution.protocol
    word, frames = protocol.snippet_word, protocol.sampling.frames_per_snippet
    what = "the video" if attribution.snippet is None else f"{word} {attribution.snippet + 1}"
    print(f"\n{model.name} ({model.weights})\n  {protocol.describe()}")
    print(
        f"  {METHOD_NAMES[attribution.method]}: evidence for "
        f"{printable(model.classes[attribution.category])!r} in {what} "
        f"({attribution.seconds:.2f} s)"
    )
    print(
        f"  logit {attribution.score:.2f}; baseline logit {attribution.baseline_score:.2f} "
        f"(baseline: {attribution.baseline})"
    )
    print(
        f"  contributions sum to {attribution.per_frame.sum():+.2f}, the difference is "
        f"{attribution.score - attribution.baseline_score:+.2f}: an error of "
        f"{attribution.completeness_error:.1%}"
    )
    print(f"  contribution of each {word}{' (of each of its frames)' if frames > 1 else ''}")
    times = zip(clips.pts_seconds.min(1), clips.pts_seconds.max(1), strict=True)
    for index, (first, last) in enumerate(times):
        span = f"{first:.2f} to {last:.2f} s" if last > first else f"at {first:.2f} s"
        shares = " ".join(f"{share:+.2f}" for share in attribution.per_frame[index])
        of_frames = f"  ({shares})" if frames > 1 else ""
        print(f"    {f'{index + 1}: {span}':<24}{attribution.per_snippet[index]:+7.2f}{of_frames}")


def _print_trust(trust: Trust | None) -> None:
    if trust is None:
        print("  the reliability of this method is not measured for these weights")
        return
    print(f"  measured on videos with known ground truth ({trust.dataset})")
    for rate, statement in (
        (trust.pointing, "the map points at the object in"),
        (trust.timing, "the most important moment is within the event in"),
    ):
        if rate is not None:
            print(f"    {statement} {rate.rate:.1%} of {rate.videos} (by chance {rate.chance:.1%})")
    print(
        f"    insertion minus deletion {trust.gain:+.3f} (random orders {trust.random_gain:+.3f}); "
        f"rank correlation with random weights {trust.sanity:+.2f}"
    )


def whatif(args: argparse.Namespace) -> None:
    if not args.changes and not args.rank:
        raise ModelError("nothing to do", "--change or --rank", "For example: --change reverse")
    with StatusMessages("loading") as progress:
        from dsanet_core.analysis import analyze, protocol_of
        from dsanet_core.video import read_clips
        from dsanet_core.whatif import parse_change, rank_blocks, what_if

        changes = [parse_change(text) for text in args.changes]
        network = load_network(args.model, args)
        clips = read_clips(args.video, protocol_of(network).sampling)
        after = ranked = None
        if changes:
            changes = [_with_kernel(change, network) for change in changes]
            after = what_if(clips, network, changes, progress=progress.report)
        if args.rank:
            ranked = rank_blocks(
                clips, network, category=args.category, progress=progress.report
            )
        before = analyze(clips, network, progress=progress.report)
    if args.json:
        values = {"before": prediction_document(before, args.top)}
        if after is not None:
            values["after"] = prediction_document(after, args.top)
        if ranked is not None:
            values["blocks"] = _effects_document(ranked, before.model.classes)
        print_json(values)
        return
    print_video(before.video)
    print(f"{before.model.name} ({before.model.weights})\n  {before.protocol.describe()}")
    if after is not None:
        _print_comparison(before, after, args.top)
    if ranked is not None:
        _print_effects(ranked, before.model.classes)


def _with_kernel(change: Change, network: VideoNetwork) -> Change:
    """The change with the kernel that the network generates for its donor video."""
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


def _print_comparison(before: Analysis, after: Analysis, top: int) -> None:
    print("\nwith")
    for change in after.changes:
        print(f"  {printable(change)}")
    names = dict.fromkeys(name for one in (before, after) for name, _ in one.top(top))
    print("\n  before    after")
    for name in names:
        index = before.model.classes.index(name)
        shares = "  ".join(f"{one.video_scores[index]:>7.1%}" for one in (before, after))
        print(f"{shares}  {printable(name)}")


def _print_effects(ranked: Effects, classes: tuple[str, ...]) -> None:
    print(f"\n{printable(classes[ranked.category])}: {ranked.before:.1%}; with one block neutral")
    print("   drop   after  block: change; prediction after it")
    for place in (-ranked.drop).argsort(kind="stable"):
        print(f"{ranked.drop[place]:>+7.1%} {ranked.after[place]:>7.1%}  {ranked.changes[place]}; "
              f"{printable(classes[ranked.answers[place]])}")
