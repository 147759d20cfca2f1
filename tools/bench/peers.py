"""Our slow-only R50 against PyTorchVideo's, with the same weights on the same clip."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tools.bench.machine import has_bfloat16
from tools.bench.modules import with_statistics
from tools.bench.table import Line, Wanted, line_of
from tools.bench.timing import in_turns

SECTION = "peers"
REPEATS = 20
SHAPE = (1, 3, 8, 224, 224)
EQUAL = 1e-4


def measure_peers(repeats: int | None = None) -> Iterator[Line]:
    """Theirs as its hub makes it, in float32; ours in float32 and, where the CPU has it, under
    bfloat16 autocast. Weights are random, running statistics those of `with_statistics`."""
    from dsanet_core.checkpoints import load_model

    theirs = pytorchvideo_slow_r50()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "SLOW_8x8_R50.pyth"
        torch.save({"model_state": theirs.state_dict()}, file)
        ours = load_model(file, "cpu")
    torch.manual_seed(1)
    clip = torch.randn(SHAPE)
    peer = f"PyTorchVideo {version('pytorchvideo')}"
    protocol = "slow-only R50, one clip of 8 x 224\u00b2, the same random weights, evaluation"

    def low(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return network(x)

    variants: dict[str, Callable[[], Any]] = {
        peer: lambda: theirs(clip),
        "ours": lambda: ours(clip[:, None]),
    }
    if has_bfloat16():
        variants |= {
            "ours, bfloat16": lambda: low(ours, clip[:, None]),
            f"{peer}, bfloat16": lambda: low(theirs, clip),
        }
    with torch.inference_mode():
        turns = in_turns(variants, repeats or REPEATS)
        expected, found = theirs(clip), ours(clip[:, None])
        rounded = low(ours, clip[:, None]).float()
    yield turns.line(SECTION, peer, f"{protocol}, float32, eager, contiguous")
    yield turns.line(SECTION, "ours", f"{protocol}, float32", under=peer,
                     wanted=Wanted("ratio", ">=", 1.15))
    if has_bfloat16():
        yield turns.line(SECTION, "ours, bfloat16", f"{protocol}, autocast", under=peer,
                         wanted=Wanted("ratio", ">=", 2.5))
        yield turns.line(SECTION, f"{peer}, bfloat16", f"{protocol}, autocast, contiguous",
                         under=peer)
    yield line_of(SECTION, f"ours against {peer}, largest difference of logits",
                  f"{protocol}, float32; their standard deviation is {float(expected.std()):.2f}",
                  [float((found - expected).abs().max())], "of a logit",
                  wanted=Wanted("median", "<=", EQUAL))
    yield line_of(SECTION, "ours, bfloat16 against float32, largest difference of probabilities",
                  protocol, [float((rounded.softmax(-1) - found.softmax(-1)).abs().max())],
                  "of probability")


def pytorchvideo_slow_r50() -> nn.Module:
    """Their network in evaluation mode, random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about other packages
        from pytorchvideo.models.hub import slow_r50

        torch.manual_seed(0)
        network: nn.Module = slow_r50(pretrained=False)
    return with_statistics(network)
