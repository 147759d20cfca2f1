"""The command line: models, predict, compare, run, train, bench.

Answers go to stdout, progress and errors to stderr. Exit codes: 0, 2 for anything the user can
mend, 130 after Ctrl-C. What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dsanet_core.errors import LensError, printable

if TYPE_CHECKING:
    from dsanet_core.models.base import VideoNetwork
    from dsanet_core.records import Analysis, Array


PROGRESS_SECONDS = 2.0
"""Silence that a user is asked to bear."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names need not be valid Unicode
            stream.reconfigure(errors="backslashreplace")
    args = build_parser().parse_args(argv)
    try:
        args.command(args)
        sys.stdout.flush()
    except LensError as error:
        _log(f"error: {printable(str(error))}")
        return 2
    except KeyboardInterrupt:
        _log("stopped")
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has enough; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, MemoryError) as error:
        _log(f"error: {error}")
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dsanet_core", description="What DSANet adds to snippet averaging, on any video."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=action)
        return added

    def add_json(added: argparse.ArgumentParser) -> None:
        added.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def add_device(added: argparse.ArgumentParser) -> None:
        added.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")

    model_help = "embedded model (see 'models') or a .safetensors / .pth file"
    crops_help = "crops per snippet, instead of the model's own protocol"

    added = command("models", show_models, "List the networks and which have weights here.")
    add_json(added)

    added = command("predict", predict, "What one network says of one video.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=model_help)
    added.add_argument("--top", type=_positive, default=5, metavar="K", help="categories to list")
    added.add_argument("--crops", type=int, choices=(1, 3), help=crops_help)
    add_device(added)
    add_json(added)

    added = command("compare", compare, "Two networks on one video, snippet by snippet.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument(
        "--models",
        nargs=2,
        default=["dsa_i3d_synth", "i3d_synth"],
        metavar=("A", "B"),
        help=model_help,
    )
    added.add_argument("--top", type=_positive, default=3, metavar="K", help="categories to list")
    added.add_argument("--crops", type=int, choices=(1, 3), help=crops_help)
    add_device(added)
    add_json(added)

    added = command("run", run, "Accuracy of a network on a dataset.")
    added.add_argument(
        "dataset",
        metavar="DATASET",
        help="synth:seed=7,n=2400[,size=288][,codec=h264], or a folder with one sub-folder of "
        "videos per category",
    )
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=model_help)
    added.add_argument("--crops", type=int, choices=(1, 3), help=crops_help)
    add_device(added)
    add_json(added)

    added = command("train", train, "Train a network by a recipe and save its weights.")
    added.add_argument("recipe", metavar="RECIPE", help="e.g. dsa_i3d_synth")
    added.add_argument("--seed", type=int, default=0)
    added.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    added.add_argument(
        "--out", type=Path, help="weights file; default: runs/RECIPE-seedS.safetensors"
    )
    add_device(added)

    added = command("bench", bench, "Time hook points, DSA, decoding and analysing here.")
    added.add_argument("--model", default="dsa_i3d_synth", metavar="ROW", help="row of the zoo")
    add_json(added)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


class Progress:
    """Says on stderr what is going on, after two seconds of silence, as long as the block runs."""

    def __init__(self, doing: str) -> None:
        self.doing = doing
        self._start = time.monotonic()
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._ticker.join()

    def _tick(self) -> None:
        pause = PROGRESS_SECONDS
        while not self._done.wait(pause):
            elapsed = time.monotonic() - self._start
            _log(f"{self.doing} ({elapsed:.0f} s)")
            pause = PROGRESS_SECONDS * (1 if sys.stderr.isatty() else 5)


def show_models(args: argparse.Namespace) -> None:
    import torch

    from dsanet_core.checkpoints import read_manifest
    from dsanet_core.counting import complexity
    from dsanet_core.zoo import build_model, list_models, model_spec

    manifest = read_manifest()
    rows: list[dict[str, Any]] = []
    with Progress("counting"), torch.device("meta"):
        for name in list_models():
            spec = model_spec(name)
            cost = complexity(build_model(spec))
            weights = [entry for entry in manifest.values() if entry["model"] == name]
            rows.append(
                {
                    "name": name,
                    "description": spec.description,
                    "reference": spec.reference,
                    "params": cost.params,
                    "macs_per_view": cost.macs,
                    "views": spec.protocol.num_views,
                    "classes": len(spec.classes),
                    "protocol": spec.protocol.describe(),
                    "weights": [entry["file"] for entry in weights],
                    "accuracy": weights[0]["accuracy"] if weights else {},
                }
            )
    if args.json:
        _print_json(rows)
        return
    print(f"{'model':<18}{'parameters':>11}{'MACs/view':>12}{'views':>7}  weights")
    for row in rows:
        files = ", ".join(row["weights"]) or "-"
        print(
            f"{row['name']:<18}{row['params'] / 1e6:>9.2f} M{row['macs_per_view'] / 1e9:>10.2f} G"
            f"{row['views']:>7}  {files}"
        )


def predict(args: argparse.Namespace) -> None:
    analysis = _analyses(args, [args.model])[0]
    if args.json:
        _print_json(_document(analysis, args.top))
        return
    _print_video(analysis)
    _print_answer(analysis, args.top)
    print("  per snippet")
    for place, scores in zip(_places(analysis), analysis.snippet_scores, strict=True):
        print(f"    {place:<24}{_best(analysis, scores)}")


def compare(args: argparse.Namespace) -> None:
    a, b = _analyses(args, args.models)
    agree = a.top(1)[0][0] == b.top(1)[0][0]
    if args.json:
        _print_json({"agree": agree, "models": [_document(x, args.top) for x in (a, b)]})
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


def run(args: argparse.Namespace) -> None:
    with Progress(f"loading {args.model}") as progress:
        from dsanet_core.datasets import open_dataset
        from dsanet_core.runs import run_dataset

        dataset = open_dataset(args.dataset)
        network = _load(args.model, args.device, args.crops)

        def report(done: int, total: int) -> None:
            progress.doing = f"{done} of {total} videos"

        summary = run_dataset(dataset, network, progress=report)
    if args.json:
        _print_json(summary.to_dict())
        return
    print(f"{summary.model.name} ({summary.model.weights}) on {summary.dataset}")
    print(f"  {summary.protocol.describe()}")
    print(f"  {summary.videos} videos, top-1 {summary.top1:.2%}, top-5 {summary.top5:.2%}")
    _print_shares("group", summary.per_group)
    _print_shares("category", summary.per_category)
    for name, reason in summary.failed:
        _log(f"not read: {printable(name)}: {reason}")


def train(args: argparse.Namespace) -> None:
    from dsanet_core.checkpoints import FOLDER, write_manifest
    from dsanet_core.train import train as train_recipe

    out = args.out or Path("runs") / f"{args.recipe}-seed{args.seed}.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    accuracy = train_recipe(
        args.recipe, seed=args.seed, out=out, device=args.device, epochs=args.epochs, log=_log
    )
    if accuracy and out.resolve().parent == FOLDER.resolve():
        write_manifest()


def bench(args: argparse.Namespace) -> None:
    with Progress("measuring"):
        from dsanet_core.bench import run_bench

        figures = run_bench(model=args.model)
    if args.json:
        _print_json(figures)
        return
    for name, value in figures.items():
        unit = ""
        if name.endswith("_seconds"):
            name, value, unit = name.removesuffix("_seconds"), f"{1000 * value:.4g}", " ms"
        elif name.endswith("_share"):
            value = f"{value:.3%}"
        print(f"{name.replace('_', ' '):<28}{value}{unit}")


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _load(model: str, device: str, crops: int | None) -> VideoNetwork:
    from dsanet_core.checkpoints import load_model

    network = load_model(model, device)
    if crops is not None:
        spec = network.spec
        network.spec = replace(spec, protocol=replace(spec.protocol, num_crops=crops))
    return network


def _analyses(args: argparse.Namespace, models: Sequence[str]) -> list[Analysis]:
    """The video of the command line under each model; one decode where their sampling agrees."""
    with Progress("loading") as progress:
        from dsanet_core.analysis import analyze
        from dsanet_core.video import read_clips

        def report(step: str, share: float) -> None:
            progress.doing = f"{step}, {share:.0%}"

        networks = [_load(model, args.device, args.crops) for model in models]
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


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


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


def _print_shares(what: str, shares: Mapping[str, float]) -> None:
    if shares:
        print(f"\n  top-1  per {what}")
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share:>7.1%}  {printable(name)}")


def _places(analysis: Analysis) -> list[str]:
    spans = zip(analysis.pts_seconds.min(1), analysis.pts_seconds.max(1), strict=True)
    return [f"{index}: {first:.2f} to {last:.2f} s" for index, (first, last) in enumerate(spans, 1)]


def _best(analysis: Analysis, scores: Array) -> str:
    best = int(scores.argmax())
    return f"{scores[best]:>6.1%}  {printable(analysis.model.classes[best])}"
