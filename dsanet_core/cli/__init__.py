"""The command line: models, import, weights, predict, compare, explain, report, whatif, run,
effects, train.

Results go to stdout, progress and errors to stderr. Exit codes: 0, 2 for user errors, 130 after
Ctrl-C. Heavy packages are imported by the command that needs them.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dsanet_core.cli.explain import METHODS, explain, whatif
from dsanet_core.cli.models import import_weights, show_models, weights
from dsanet_core.cli.output import log, positive
from dsanet_core.cli.predict import compare, predict, report
from dsanet_core.cli.runs import effects, run
from dsanet_core.cli.train import PRECISIONS, add_train, train
from dsanet_core.errors import LensError, printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names may be invalid Unicode
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
        # The reader (`| head`) is done; without this Python would complain on closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, MemoryError) as error:
        log(f"error: {error}")
        return 2
    return 0


MODEL_HELP = "embedded model (see 'models') or a .safetensors / .pth file"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dsanet_core", description="What DSANet adds to snippet averaging, on any video."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=action)
        return added

    added = command("models", show_models, "List the models and their available weights.")
    added.add_argument("--complexity", action="store_true", help="compare parameters and "
                       "multiply-adds with those printed in the papers")
    _add_json(added)

    added = command("import", import_weights, "Check a checkpoint and register it under a name.")
    added.add_argument("checkpoint", metavar="CHECKPOINT", help="file of this package, MMAction2 "
                       "(slowonly, TSM, TSN), PyTorchVideo, PySlowFast (Slow), TSM, torchvision "
                       "(ResNet), or of DSANet's or SDA's authors; never executed")
    added.add_argument("--as", dest="name", metavar="NAME", help="of a-z, 0-9, '_', '.' and '-'; "
                       "default: from the file name")
    added.add_argument("--classes", metavar="FILE", help="names of the outputs in their order: "
                       ".txt, .csv or .json, or kinetics400 or somethingv1")
    added.add_argument("--frames", type=positive, metavar="T", help="frames of a snippet, or of a "
                       "clip of single frames, if not stored in the file")
    added.add_argument("--stride", type=positive, metavar="S", help="distance between the frames "
                       "of a snippet, in frames")
    added.add_argument("--shift", action=argparse.BooleanOptionalAction, help="temporal shift of "
                       "features (TSM), if not visible in the tensors")
    added.add_argument("--beta", type=float, help="share of channels that DSA aggregates "
                       "(default: 1/8)")
    _add_json(added)

    added = command("weights", weights, "List public checkpoints, or download one.")
    added.add_argument("action", choices=("list", "get"), help="list; get NAME: download, verify "
                       "its SHA-256, import")
    added.add_argument("name", nargs="?", metavar="NAME", help="a name of 'weights list'")
    _add_json(added)

    added = command("predict", predict, "Predict the class of a video.")
    added.add_argument("video", metavar="VIDEO")
    _add_ensemble(added)
    _add_top(added, 5)
    _add_protocol(added)
    _add_device(added)
    _add_json(added)

    added = command("compare", compare, "Compare two models on a video, snippet by snippet.")
    added.add_argument("video", metavar="VIDEO")
    added.add_argument("--models", nargs=2, default=["dsa_i3d_synth", "i3d_synth"],
                       metavar=("A", "B"), help=MODEL_HELP)
    _add_top(added, 3)
    _add_protocol(added)
    _add_device(added)
    _add_json(added)

    added = command("explain", explain, "Explain a class score: which moments and regions support "
                    "it, and how reliable the explanation is.")
    added.add_argument("video", metavar="VIDEO")
    _add_model(added)
    added.add_argument("--method", choices=METHODS, default=METHODS[0], metavar="METHOD",
                       help=", ".join(METHODS))
    added.add_argument("--category", metavar="NAME", help="default: the predicted one")
    added.add_argument("--snippet", type=positive, metavar="N", help="explain snippet N, as "
                       "numbered by 'predict', instead of the video")
    _add_protocol(added)
    _add_device(added)
    _add_json(added)

    added = command("report", report, "Write the predictions for a video to one HTML file.")
    added.add_argument("video", metavar="VIDEO")
    _add_model(added)
    added.add_argument("--against", metavar="M", help="a second model to compare with")
    added.add_argument("--explain", choices=METHODS, metavar="METHOD",
                       help=f"also explain the prediction: {', '.join(METHODS)}")
    added.add_argument("--out", type=Path, metavar="FILE", help="a .html file, replaced if it "
                       "exists; default: VIDEO_MODEL.html in the current folder")
    _add_protocol(added)
    _add_device(added)

    added = command("whatif", whatif, "Predict after changes to the video or to model blocks.")
    added.add_argument("video", metavar="VIDEO")
    _add_model(added)
    added.add_argument("--change", action="append", default=[], dest="changes", metavar="CHANGE",
                       help="such as reverse, drop:3, identity:layer2.1.dsa, kernel=other.mp4:"
                       "layer2.1.dsa or only=LT:layer3.0.sda; may be repeated, applied in order")
    added.add_argument("--rank", action="store_true", help="rank the DSA and SDA blocks by their "
                       "effect on the prediction")
    added.add_argument("--category", metavar="NAME", help="class for --rank; default: the "
                       "predicted one")
    _add_top(added, 5)
    _add_protocol(added)
    _add_device(added)
    _add_json(added)

    added = command("run", run, "Run a model on every video of a dataset, or resume a stopped run.")
    added.add_argument(
        "dataset",
        metavar="DATASET",
        help="synth:seed=7,n=2400[,size=288][,codec=h264]; a folder with one sub-folder of "
        "videos, or of folders of frames, per class; a list of them, .csv or .jsonl, with "
        "path,label[,start,end]; or NAME:FOLDER[,annotations=FILE][,task=verb], a dataset with its "
        "published annotation files: kinetics400, minikinetics200, ssv1, ssv2, diving48, epic55, "
        "activitynet, ucf101, hmdb51",
    )
    added.add_argument("--split", metavar="NAME", help="sub-folder with the folders of classes, "
                       "value of the column 'split' of a list, or train, val or test")
    added.add_argument("--reader", choices=("pyav", "decord"), default="pyav", help="reader of "
                       "video files (default: pyav); decord is faster, for trusted files only")
    added.add_argument("--limit", type=positive, metavar="N", help="use a fixed random subset of "
                       "N videos")
    _add_runs(added)
    _add_ensemble(added)
    _add_protocol(added)
    _add_device(added)
    _add_json(added)

    added = command("effects", effects, "Measure each block's effect on each class, over a run.")
    added.add_argument("run", metavar="RUN", help="finished run: its name under --runs, or a path")
    added.add_argument("--model", metavar="M", help=f"{MODEL_HELP}; default: from the run")
    added.add_argument("--limit", type=positive, default=250, metavar="N", help="number of "
                       "videos, taken from the classes in turn (default: 250)")
    _add_runs(added)
    _add_device(added)
    _add_json(added)

    added = command("train", train, "Train a model by a recipe and save its weights.")
    add_train(added)
    _add_device(added)
    return parser


def _add_json(added: argparse.ArgumentParser) -> None:
    added.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add_device(added: argparse.ArgumentParser) -> None:
    added.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")


def _add_top(added: argparse.ArgumentParser, default: int) -> None:
    added.add_argument("--top", type=positive, default=default, metavar="K",
                       help="number of classes to list")


def _add_model(added: argparse.ArgumentParser, help_text: str = MODEL_HELP) -> None:
    added.add_argument("--model", default="dsa_i3d_synth", metavar="M", help=help_text)


def _add_ensemble(added: argparse.ArgumentParser) -> None:
    _add_model(added, f"{MODEL_HELP}; A+B: an ensemble with averaged scores")
    added.add_argument("--untrimmed", action="store_true", help="for long videos: one snippet "
                       "per second, Multi-scale Temporal Window Integration (M-TWI)")


def _add_protocol(added: argparse.ArgumentParser) -> None:
    added.add_argument("--protocol", metavar="P", help="test protocol of the papers, such as "
                       "8x3x2 (frames x crops x clips) or 4x8x3 (frames x snippets x crops)")
    added.add_argument("--views", type=_views, metavar="KxC", help="K clips of C crops (1 or 3), "
                       "such as 10x3; default: those of the model's own protocol")
    added.add_argument("--precision", choices=PRECISIONS, help="number format of the computation "
                       "(default: the model's own, float32); bfloat16 is the fastest on processors "
                       "and GPUs that support it")


def _add_runs(added: argparse.ArgumentParser) -> None:
    added.add_argument("--runs", type=Path, default=Path("runs"), metavar="FOLDER",
                       help="folder of the runs")


def _views(text: str) -> tuple[int, int]:
    """(clips, crops) of a text such as "10x3"."""
    clips, _, crops = text.partition("x")
    try:
        return positive(clips), positive(crops)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"{text!r}; expected clips x crops, such as 10x3 or 2x1"
        ) from None
