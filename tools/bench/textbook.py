"""DSA and SDA written as their equations read, to hold the modules against.

They take a module's own parameters and share none of its shortcuts: every convolution and
normalisation is run by itself, everything has its full size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA


def textbook_dsa(module: DSA, x: Tensor) -> Tensor:
    """Eqs. 2 to 4 of DSANet on (N*U, C, T, H, W): split, the kernel as a convolution over snippets
    with a group for each channel of each clip, concatenation."""
    _, _, frames, height, width = x.shape
    num_snippets, channels = module.num_snippets, module.aggregated
    leading, rest = torch.split_with_sizes(x, [channels, x.shape[1] - channels], 1)
    pooled = functional.adaptive_avg_pool3d(leading.float(), 1).view(-1, num_snippets, channels)
    kernel = module.generate(pooled.transpose(1, 2).reshape(-1, num_snippets))  # (N*C', L)
    kernel = kernel.to(x.dtype)
    groups, taps = kernel.shape
    snippets = leading.view(-1, num_snippets, channels, frames, height, width)
    snippets = snippets.transpose(1, 2).reshape(1, groups, num_snippets, frames, height * width)
    joined = functional.conv3d(
        snippets, kernel.view(groups, 1, taps, 1, 1), padding=(taps // 2, 0, 0), groups=groups
    )
    joined = joined.view(-1, channels, num_snippets, frames, height, width).transpose(1, 2)
    return torch.cat([joined.reshape(leading.shape), rest], 1)


def textbook_sda(module: SDA, x: Tensor) -> Tensor:
    """Eqs. 2 to 8 of SDA on (B, C, T, H, W): every response expanded to full size, stacked, and
    summed over the dependencies with their weights."""
    size = (x.shape[2], x.shape[3], x.shape[4])
    reduced = functional.relu(_normalised(x, module.down, module.bn1))       # (B, C', T, H, W)
    responses = []
    for branch in module.branches:
        grid = branch.dependency.grid(size)
        squeezed = functional.adaptive_avg_pool3d(reduced, grid)
        response = functional.relu(_normalised(squeezed, branch.conv, branch.bn))
        responses.append(functional.adaptive_avg_pool3d(response, size).contiguous())
    stacked = torch.stack(responses, 1)                                      # (B, M, C', T, H, W)
    if module.query is None:
        weights = stacked.new_full(stacked.shape[:2], 1 / len(responses))
    else:
        keys = stacked.mean((3, 4, 5)).float()                               # (B, M, C')
        weights = torch.softmax((keys @ module.query).float(), -1).to(stacked.dtype)  # (B, M)
    mixed = (stacked * weights.view(*weights.shape, 1, 1, 1, 1)).sum(1)      # (B, C', T, H, W)
    return x * torch.sigmoid(_normalised(mixed, module.up, module.bn2))


def _normalised(x: Tensor, conv: nn.Conv3d, norm: nn.BatchNorm3d) -> Tensor:
    padding = [extent // 2 for extent in conv.kernel_size]
    out = functional.conv3d(x, conv.weight, None, conv.stride, padding)
    return functional.batch_norm(
        out, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
