"""Networks compiled by torch.compile against themselves as they are run here.

Compiled code passes no hook point, so analyses and runs, which capture, use none of it. Without
hooks it shows what is left to gain by joining the small operations of a module.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch._dynamo import config as dynamo
from torch._inductor import config as inductor

from dsanet_core.inference import prepare
from dsanet_core.models.base import VideoNetwork
from dsanet_core.zoo import create_model
from tools.bench.networks import in_words, one_clip
from tools.bench.timing import Line, Wanted, in_turns, line_of

SECTION = "compiled"
REPEATS = 20
PAIR = ("sda_tsn_r50", "tsn_r50")
EQUAL = 1e-4


def measure(repeats: int | None = None) -> Iterator[Line]:
    """The network with SDA and the one without; takes a C++ compiler and two minutes."""
    return race([prepare(create_model(row)) for row in PAIR], repeats or REPEATS)


def race(
    networks: list[VideoNetwork], repeats: int, *, backend: str = "inductor"
) -> Iterator[Line]:
    """The first network over the second, compiled, and each over itself uncompiled; all in turns.

    backend: of torch.compile.
    """
    # Networks that differ by what hooks insert share code otherwise (torch 2.15).
    hooks = dynamo.patch(skip_nnmodule_hook_guards=False)
    with torch.no_grad(), hooks, inductor.patch(freezing=True):
        variants, words, different = {}, {}, {}
        for network in networks:
            name, clip = network.spec.name, one_clip(network)
            compiled = torch.compile(network, backend=backend)
            expected = network(clip)
            different[name] = float((compiled(clip) - expected).abs().max())
            variants[name] = partial(network, clip)
            variants[f"{name}, compiled"] = partial(compiled, clip)
            words[name] = in_words(clip)
        turns = in_turns(variants, repeats)
    mine, theirs = words
    yield turns.line(SECTION, f"{mine}, compiled", f"{words[mine]}, torch.compile, weights frozen",
                     over=f"{theirs}, compiled", wanted=Wanted("ratio", "<=", 1.05))
    for name, protocol in words.items():
        yield turns.line(SECTION, f"{name}, compiled", f"{protocol}, torch.compile, weights frozen",
                         over=name)
        yield line_of(SECTION, f"{name}, compiled against not, largest difference of logits",
                      protocol, [different[name]], "of a logit",
                      wanted=Wanted("median", "<=", EQUAL))
