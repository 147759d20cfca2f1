"""The command explain: what spoke for a category, and how far the method can be trusted."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from dsanet_core.cli.output import Progress, load, print_json
from dsanet_core.cli.video import print_video
from dsanet_core.errors import ModelError, printable

if TYPE_CHECKING:
    from dsanet_core.records import Attribution, Clips, Method, Trust

METHODS = ("integrated_gradients", "grad_cam", "occlusion", "ablation")


def explain(args: argparse.Namespace) -> None:
    with Progress("loading") as progress:
        from dsanet_core.analysis import describe_model, protocol_of
        from dsanet_core.attribution import attribute, attribution_to_dict, offered, trust_of
        from dsanet_core.video import read_clips

        network = load(args.model, args)
        method: Method = args.method
        sha256 = describe_model(network).weights_sha256
        if method not in offered(sha256):
            raise ModelError(
                f"method {method!r} for {args.model}, whose maps did no better than random orders",
                f"one of {', '.join(offered(sha256))}",
                "Choose another one with --method.",
            )
        sampling = protocol_of(network).sampling
        if args.snippet is not None and args.snippet > sampling.num_snippets:
            raise ModelError(
                f"snippet {args.snippet}", f"1 to {sampling.num_snippets}", "Count as `predict`."
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
        f"  {METHOD_NAMES[attribution.method]}: what speaks for "
        f"{printable(model.classes[attribution.category])!r} in {what} "
        f"({attribution.seconds:.2f} s)"
    )
    print(
        f"  logit {attribution.score:.2f}; with everything absent {attribution.baseline_score:.2f} "
        f"(absent is {attribution.baseline})"
    )
    print(
        f"  all shares together {attribution.per_frame.sum():+.2f}, of the difference "
        f"{attribution.score - attribution.baseline_score:+.2f}: apart by "
        f"{attribution.completeness_error:.1%} of it"
    )
    print(f"  share of each {word}{' (of each of its frames)' if frames > 1 else ''}")
    times = zip(clips.pts_seconds.min(1), clips.pts_seconds.max(1), strict=True)
    for index, (first, last) in enumerate(times):
        span = f"{first:.2f} to {last:.2f} s" if last > first else f"at {first:.2f} s"
        shares = " ".join(f"{share:+.2f}" for share in attribution.per_frame[index])
        of_frames = f"  ({shares})" if frames > 1 else ""
        print(f"    {f'{index + 1}: {span}':<24}{attribution.per_snippet[index]:+7.2f}{of_frames}")


def _print_trust(trust: Trust | None) -> None:
    if trust is None:
        print("  not measured for these weights: how far the method can be trusted is not known")
        return
    print(f"  measured on videos with known truth ({trust.dataset})")
    for rate, says in (
        (trust.pointing, "the map points at the object in"),
        (trust.timing, "the most important moment lies in the event in"),
    ):
        if rate is not None:
            print(f"    {says} {rate.rate:.1%} of {rate.videos} (by chance {rate.chance:.1%})")
    print(
        f"    insertion minus deletion {trust.gain:+.3f} (random orders {trust.random_gain:+.3f}); "
        f"rank correlation with random weights {trust.sanity:+.2f}"
    )
