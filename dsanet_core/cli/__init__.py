"""The command line: models, import, weights, predict, compare, explain, report, whatif, run,
effects, train.

Answers go to stdout, progress and errors to stderr. Exit codes: 0, 2 for anything the user can
mend, 130 after Ctrl-C. What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsanet_core.cli.data import run
from dsanet_core.cli.explain import METHODS, explain
from dsanet_core.cli.networks import show_models
from dsanet_core.cli.output import log
from dsanet_core.cli.report import report
from dsanet_core.cli.train import PRECISIONS, add_train, train
from dsanet_core.cli.video import compare, predict
from dsanet_core.cli.weights import import_weights, weights
from dsanet_core.cli.whatif import effects, whatif
from dsanet_core.errors import LensError, printable


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
        log(f"error: {printable(str(error))}")
        return 2
    except KeyboardInterrupt:
        log("stopped")
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has enough; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, MemoryError) as error:
        log(f"error: {error}")
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

    def add_protocol(added: argparse.ArgumentParser) -> None:
        added.add_argument("--protocol", metavar="P", help="test protocol of the papers, such as "
                           "8x3x2 (frames x crops x clips) or 4x8x3 (frames x snippets x crops)")
        added.add_argument("--views", type=_views, metavar="KxC", help="K clips of C crops "
                           "(1 or 3), such as 10x3, instead of the model's own protocol's")
        added.add_argument("--precision", choices=PRECISIONS, help="what the network computes in "
                           "(default: the model's own, float32); bfloat16 is the fastest where "
                           "the processor or GPU has it")

    def add_model(added: argparse.ArgumentParser) -> None:
        added.add_argument("--model", default="dsa_i3d_synth", metavar="M",
                           help=f"{model_help}; A+B: an ensemble, scores averaged")
        added.add_argument("--untrimmed", action="store_true", help="for long videos: one snippet "
                           "per second, Multi-scale Temporal Window Integration (M-TWI)")

    def add_runs(added: argparse.ArgumentParser) -> None:
        added.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER",
                           help="where the folders of runs lie")

    model_help = "embedded model (see 'models') or a .safetensors / .pth file"

    added = command("models", show_models, "List the networks and which have weights here.")
    added.add_argument(
        "--complexity",
        action="store_true",
        help="the papers' printed parameters and multiply-adds beside those counted here",
    )
    add_json(added)

    added = command("import", import_weights, "Check a checkpoint and keep it under a name.")
    added.add_argument("checkpoint", metavar="CHECKPOINT", help="file of this package, MMAction2 "
                       "(slowonly, TSM, TSN), PyTorchVideo, PySlowFast (Slow), TSM, torchvision "
                       "(ResNet), or of DSANet's or SDA's authors; nothing in it is run")
    added.add_argument("--as", dest="name", metavar="NAME", help="of a-z, 0-9, '_', '.' and '-'; "
                       "default: that of the file")
    added.add_argument("--classes", metavar="FILE", help="names of the outputs in their order: "
                       ".txt, .csv or .json, or kinetics400 or somethingv1")
    added.add_argument("--frames", type=_positive, metavar="T", help="frames of a snippet, or of a "
                       "clip of single frames, where the file does not say it")
    added.add_argument("--stride", type=_positive, metavar="S", help="frames between two frames")
    added.add_argument("--shift", action=argparse.BooleanOptionalAction, help="whether features "
                       "are shifted in time (TSM), where the tensors do not show it")
    added.add_argument("--beta", type=float, help="share of channels that DSA aggregates "
                       "(default: 1/8)")
    add_json(added)

    added = command("weights", weights, "Public checkpoints: list them, or get one where there is "
                    "a network.")
    added.add_argument("action", choices=("list", "get"), help="list; get NAME: fetch, check its "
                       "sha256, import")
    added.add_argument("name", nargs="?", metavar="NAME", help="as 'weights list' says")
    add_json(added)

    added = command("predict", predict, "What one network says of one video.")
    added.add_argument("video", metavar="VIDEO")
    add_model(added)
    added.add_argument("--top", type=_positive, default=5, metavar="K", help="categories to list")
    add_protocol(added)
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
    add_protocol(added)
    add_device(added)
    add_json(added)

    added = command("explain", explain, "What of a video speaks for a category, and how far to "
                    "believe it.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=model_help)
    added.add_argument("--method", choices=METHODS, default=METHODS[0], metavar="METHOD",
                       help=", ".join(METHODS))
    added.add_argument("--category", metavar="NAME", help="default: the predicted one")
    added.add_argument("--snippet", type=_positive, metavar="N", help="explain this snippet, as "
                       "'predict' counts them, instead of the video")
    add_protocol(added)
    add_device(added)
    add_json(added)

    added = command("report", report, "What a network says of a video as one HTML file, offline.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=model_help)
    added.add_argument("--against", metavar="M", help="a second network, set against the first")
    added.add_argument("--explain", choices=METHODS, metavar="METHOD",
                       help=f"also what spoke for the answer: {', '.join(METHODS)}")
    added.add_argument("--out", type=Path, metavar="FILE", help="ends in .html; what is there is "
                       "replaced; default: VIDEO_MODEL.html in the current folder")
    add_protocol(added)
    add_device(added)

    added = command("whatif", whatif, "The answer of a network after changes to video or blocks.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=model_help)
    added.add_argument("--change", action="append", default=[], dest="changes", metavar="CHANGE",
                       help="such as reverse, drop:3, identity:layer2.1.dsa, kernel=other.mp4:"
                       "layer2.1.dsa or only=LT:layer3.0.sda; several are made one after the other")
    added.add_argument("--rank", action="store_true", help="rank every DSA and SDA block by how "
                       "much the answer hangs on it")
    added.add_argument("--category", metavar="NAME", help="that --rank asks about; default: the "
                       "predicted one")
    added.add_argument("--top", type=_positive, default=5, metavar="K", help="categories to list")
    add_protocol(added)
    add_device(added)
    add_json(added)

    added = command("run", run, "A network on every video of a dataset; resumes what was stopped.")
    added.add_argument(
        "dataset",
        metavar="DATASET",
        help="synth:seed=7,n=2400[,size=288][,codec=h264]; a folder with one sub-folder of "
        "videos, or of folders of frames, per category; a list of them, .csv or .jsonl, with "
        "path,label[,start,end]; or NAME:FOLDER[,annotations=FILE][,task=verb], a data set with its"
        " published annotation files: kinetics400, minikinetics200, ssv1, ssv2, diving48, epic55, "
        "activitynet, ucf101, hmdb51",
    )
    added.add_argument("--split", metavar="NAME", help="the sub-folder that holds the categories, "
                       "the rows of a list whose column 'split' says so, or train, val or test")
    added.add_argument("--reader", choices=("pyav", "decord"), default="pyav", help="what reads "
                       "video files (default: pyav); decord is faster, for files that you trust")
    added.add_argument("--limit", type=_positive, metavar="N", help="so many of the videos, drawn "
                       "at random but always the same ones")
    add_runs(added)
    add_model(added)
    add_protocol(added)
    add_device(added)
    add_json(added)

    added = command("effects", effects, "Which block matters for which category, over a run.")
    added.add_argument("run", metavar="RUN", help="finished run: its name under --runs, or a path")
    added.add_argument("--model", metavar="M", help=f"{model_help}; default: by the run's name")
    added.add_argument("--limit", type=_positive, default=250, metavar="N", help="so many videos, "
                       "categories in turn (default: 250)")
    add_runs(added)
    add_device(added)
    add_json(added)

    added = command("train", train, "Train a network by a recipe and save its weights.")
    add_train(added)
    add_device(added)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _views(text: str) -> tuple[int, int]:
    """Clips and crops of "10x3"."""
    clips, _, crops = text.partition("x")
    try:
        return _positive(clips), _positive(crops)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected clips x crops, such as 10x3 or 2x1"
        ) from None
