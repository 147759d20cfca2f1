"""The fast forms of DSA and SDA against the equations."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from dsanet_core.inference import prepare
from dsanet_core.inference.dsa import FastDSA
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from tools.bench.table import Line, Wanted, line_of
from tools.bench.timing import in_turns

Module = TypeVar("Module", bound=nn.Module)
SECTION = "modules"
REPEATS = 60
DSA_SHAPE = (12, 128, 8, 28, 28)
IN_PLACE, NEW_MEMORY = "DSA, as in the networks (in place)", "DSA into new memory"
SDA_SHAPE = (1, 128, 8, 28, 28)
EQUAL = 1e-5
"""Two orders of adding up the same float32 values differ by less, for values around 1."""
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}


def measure_modules(repeats: int | None = None) -> Iterator[Line]:
    """DSA at 3 clips of 4 snippets, SDA at the res3 shape of 8 frames; float32, in evaluation."""
    torch.manual_seed(0)
    plain_dsa = with_statistics(DSA(DSA_SHAPE[1], num_snippets=4, beta=1 / 8))
    plain_sda = with_statistics(SDA(SDA_SHAPE[1]))
    dsa, inplace, sda = (prepare(copy.deepcopy(m)) for m in (plain_dsa, plain_dsa, plain_sda))
    assert isinstance(inplace, FastDSA)
    inplace.owns_input = True  # as behind a normalisation in the networks
    for layout, memory in LAYOUTS.items():
        x = torch.randn(DSA_SHAPE).contiguous(memory_format=memory)
        protocol = (f"12 snippets x 128 channels x 8 x 28 x 28, beta 1/8, float32, {layout}, the "
                 "input written just before")
        plain = "DSA as its equations read"
        with torch.inference_mode():
            turns = in_turns(
                {IN_PLACE: inplace, NEW_MEMORY: dsa, plain: plain_dsa},
                repeats or REPEATS, prepare=x.clone,
            )
            different = _difference(inplace(x.clone()), plain_dsa(x))
        yield turns.line(SECTION, IN_PLACE, protocol, under=plain,
                         wanted=Wanted("ratio", ">=", 8))
        yield turns.line(SECTION, NEW_MEMORY, protocol, under=plain)
        yield turns.line(SECTION, plain, protocol)
        yield line_of(SECTION, "DSA against its equations, largest difference", protocol,
                      [different], "of values around 1", wanted=Wanted("median", "<=", EQUAL))
    x = torch.randn(SDA_SHAPE).contiguous(memory_format=torch.channels_last_3d)
    protocol = "8 frames x 128 channels x 28 x 28, r_c 4, four dependencies, float32, channels-last"
    plain = "SDA as its equations read"
    with torch.inference_mode():
        turns = in_turns(
            {"SDA": sda, plain: plain_sda},
            repeats or REPEATS, prepare=x.clone,
        )
        different = _difference(sda(x.clone()), plain_sda(x))
    yield turns.line(SECTION, "SDA", protocol, under=plain)
    yield turns.line(SECTION, plain, protocol)
    yield line_of(SECTION, "SDA against its equations, largest difference", protocol,
                  [different], "of values around 1", wanted=Wanted("median", "<=", EQUAL))


def with_statistics(module: Module) -> Module:
    """In evaluation mode, with running statistics as after a training instead of 0 and 1."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm3d):
            nn.init.uniform_(part.weight, 0.3, 0.7)
            nn.init.normal_(part.bias, std=0.2)
            assert part.running_mean is not None and part.running_var is not None
            nn.init.normal_(part.running_mean, std=0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.eval()


def _difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())
