"""Convolutions in bfloat16 on a CPU as torch.compile calls them, by operators of oneDNN: the weight
packed once for the size that is read, a sum and a ReLU done while the result is in the caches. In
float32 this wins nothing."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

Size = tuple[int, ...]
Packed = dict[Size, Tensor]
"""A weight in the order in which it is read for a size of input. That of another size is right as
well, and takes up to six times as long."""

MOST_SIZES = 2
"""That a weight is packed for at a time."""


def can_fuse(weight: Tensor) -> bool:
    """Whether `convolve` gains something with it, and can be called. It knows no gradients."""
    fits = weight.dtype == torch.bfloat16 and weight.ndim == 4 and weight.device.type == "cpu"
    return fits and _has_operators()


@lru_cache
def _has_operators() -> bool:
    """Whether this machine and this torch have them."""
    known = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return known and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    *,
    added: Tensor | None,
    rectify: bool,
    packed: Packed,
) -> Tensor:
    """(B, C, H, W) -> (B, C', H / stride, W / stride), channels-last in bfloat16, plus what is
    `added` (of that shape), and with `rectify` only what of it is above 0. packed: what was packed
    of this weight, and will be."""
    x = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    size, way = tuple(x.shape), (list(padding), list(stride), [1, 1], 1)
    if size not in packed:
        while len(packed) >= MOST_SIZES:
            del packed[next(iter(packed))]
        packed[size] = torch._C._nn.mkldnn_reorder_conv2d_weight(  # type: ignore[call-arg]
            weight.to_mkldnn(), *way, list(size)
        )
    after, run = ("relu" if rectify else None), torch.ops.mkldnn._convolution_pointwise
    if added is None:
        out: Tensor = run(x, packed[size], bias, *way, after or "none", [], "")
    else:
        added = added.to(torch.bfloat16)
        out = run.binary(x, added, packed[size], bias, *way, "add", 1.0, after, [], "")
    return out
