"""DSA and SDA as the papers write them down, to be measured against: same answers, more work."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA


def dsa_by_convolution(dsa: DSA, x: Tensor) -> Tensor:
    """Eq. 3 of DSANet as one convolution with a group for every channel of every clip.

    x: (N*U, C, T, H, W), as for `DSA`; it is not written to."""
    leading, rest = x[:, : dsa.aggregated], x[:, dsa.aggregated :]
    spread = torch.unflatten(leading, 0, (-1, dsa.num_snippets))           # (N, U, C', T, H, W)
    descriptor = spread.mean((3, 4, 5), dtype=torch.float32).transpose(1, 2)
    kernel = dsa.generate(descriptor.flatten(0, 1))                        # (N*C', L)
    groups, taps = kernel.shape
    lined = spread.transpose(1, 2).flatten(4).flatten(0, 1)[None]          # (1, N*C', U, T, H*W)
    weight = kernel.to(x.dtype).view(groups, 1, taps, 1, 1)
    out = functional.conv3d(lined, weight, padding=(taps // 2, 0, 0), groups=groups)
    out = torch.unflatten(out[0], 0, (-1, dsa.aggregated)).transpose(1, 2)  # (N, U, C', T, H*W)
    return torch.cat([out.reshape(leading.shape), rest], 1)


def sda_expanded(sda: SDA, x: Tensor) -> Tensor:
    """Eqs. 2 to 8 of SDA with every response spread to full size before they meet.

    x: (B, C, T, H, W), as for `SDA`; needs query structured attention."""
    size = (x.shape[2], x.shape[3], x.shape[4])
    reduced = functional.relu(sda.bn1(sda.down(x)))
    responses = []
    for branch in sda.branches:
        pooled = functional.adaptive_avg_pool3d(reduced, branch.dependency.grid(size))
        response = functional.relu(branch.bn(branch.conv(pooled)))
        responses.append(functional.adaptive_avg_pool3d(response, size))
    stacked = torch.stack(responses, 1)                                    # (B, M, C', T, H, W)
    keys = stacked.mean((3, 4, 5))                                         # (B, M, C')
    weights = torch.softmax((keys @ sda.query.to(keys.dtype)).float(), -1).to(stacked.dtype)
    mixed = (stacked * weights[:, :, None, None, None, None]).sum(1)
    return x * torch.sigmoid(sda.bn2(sda.up(mixed)))
