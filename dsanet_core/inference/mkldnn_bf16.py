"""Convolutions in bfloat16 on a CPU by the operators of oneDNN that torch.compile uses: the weight
packed once per input size, a sum and a ReLU applied while the result is in the caches. In float32
they gain nothing."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

Shape = tuple[int, ...]
Packed = dict[Shape, Tensor]
"""Copies of a weight by input shape, each in the order in which it is read for that shape. One for
another shape gives the same values, in up to six times the time."""

MAX_PACKED = 2
"""Copies kept per weight."""


def can_convolve(weight: Tensor) -> bool:
    """True for weights that `convolve` takes, where it is available. It has no gradients."""
    fits = weight.dtype == torch.bfloat16 and weight.ndim == 4 and weight.device.type == "cpu"
    return fits and _is_available()


@lru_cache
def _is_available() -> bool:
    known = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return known and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Shape,
    padding: Shape,
    *,
    added: Tensor | None,
    rectify: bool,
    packed: Packed,
) -> Tensor:
    """(B, C, H, W) -> (B, C', H / stride, W / stride), channels-last in bfloat16: the convolution
    plus `added` (of the output's shape), with `rectify` its ReLU. packed: copies of this weight,
    extended here."""
    x = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    shape, geometry = tuple(x.shape), (list(padding), list(stride), [1, 1], 1)
    own = packed.get(shape)
    if own is None:
        for oldest in list(packed)[: 1 - MAX_PACKED]:
            packed.pop(oldest, None)
        own = packed[shape] = torch._C._nn.mkldnn_reorder_conv2d_weight(  # type: ignore[call-arg]
            weight.to_mkldnn(), *geometry, list(shape)
        )
    after, run = ("relu" if rectify else None), torch.ops.mkldnn._convolution_pointwise
    if added is None:
        out: Tensor = run(x, own, bias, *geometry, after or "none", [], "")
    else:
        added = added.to(torch.bfloat16)
        out = run.binary(x, added, own, bias, *geometry, "add", 1.0, after, [], "")
    return out
