"""Convolution and batch normalisation as one layer where nothing is learnt of the batch.

Both stay modules of their own with the parameters and names they have; what they compute together
is the same to rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Size = tuple[int, int, int]


class _Kept(NamedTuple):
    """Folded tensors, and what tells whether those that they were made of are still the same."""

    made_of: tuple[torch.dtype, list[tuple[int, int]]]
    weight: Tensor
    bias: Tensor


class FoldedConv3d(nn.Conv3d):
    """A 3D convolution without bias that keeps T (and H, W with stride 1), and can take the
    normalisation behind it in (`normalised`).

    kernel: odd extents (T, H, W). stride: of H and W.
    """

    _kept: _Kept | None = None

    def __init__(
        self, inputs: int, outputs: int, kernel: Size = (1, 1, 1), stride: int = 1
    ) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        super().__init__(
            inputs, outputs, kernel, stride=(1, stride, stride), padding=padding, bias=False
        )

    def forward(self, x: Tensor, norm: nn.BatchNorm3d | None = None) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T, H / stride, W / stride), normalised by the running
        statistics of `norm` where it is given."""
        if norm is None:
            return self._convolve(x, self._flat(self.weight), None)
        return self._convolve(x, *self._folded(norm, x.device))

    def further_term(self, x: Tensor, norm: nn.BatchNorm3d) -> Tensor:
        """By how much the normalised output is more for an input that is more by x."""
        return self._convolve(x, self._folded(norm, x.device)[0], None)

    def _folded(self, norm: nn.BatchNorm3d, device: torch.device) -> tuple[Tensor, Tensor]:
        """Weight (`_flat`) and bias; kept for the next time where no gradient is wanted."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or device.type == "meta":
            return self._fold(norm)
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        sources = (self.weight, norm.weight, norm.bias, mean, variance)
        dtype = self.weight.dtype
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        try:
            made_of = (dtype, [(source.data_ptr(), source._version) for source in sources])
        except RuntimeError:  # made in inference mode: nothing tells whether they were written to
            return self._fold(norm)
        kept = self._kept
        if kept is None or kept.made_of != made_of:
            weight, bias = self._fold(norm)
            kept = self._kept = _Kept(made_of, weight.to(dtype), bias.to(dtype))
        return kept.weight, kept.bias

    def _fold(self, norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        bias = torch.addcmul(norm.bias, norm.running_mean, scale, value=-1)
        return self._flat(self.weight * scale.view(-1, 1, 1, 1, 1)), bias

    def _flat(self, weight: Tensor) -> Tensor:
        """The weight in two dimensions where one extent is 1."""
        time, height, width = self.kernel_size
        if time == 1:
            return weight[:, :, 0]
        return weight[..., 0] if height == width == self.stride[1] == 1 else weight

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """In two dimensions where that is the same: on a CPU up to four times faster."""
        if weight.ndim == 5:
            return functional.conv3d(x, weight, bias, self.stride, self.padding)
        if self.kernel_size[0] == 1:
            frames = x.transpose(1, 2).flatten(0, 1)                        # (B*T, C, H, W)
            out = functional.conv2d(frames, weight, bias, self.stride[1:], self.padding[1:])
            return out.view(-1, x.shape[2], *out.shape[1:]).transpose(1, 2)
        out = functional.conv2d(x.flatten(3), weight, bias, padding=self.padding[:2])
        return out.view(*out.shape[:3], *x.shape[3:])


class FoldedBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation that lets pass what a convolution has normalised already."""

    def forward(self, x: Tensor, is_normalised: bool = False) -> Tensor:
        return x if is_normalised else super().forward(x)


def normalised(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """norm(conv(x)), in evaluation mode as one convolution where both can.

    Both are called, so that what is inserted before the one and after the other runs.
    """
    foldable = isinstance(conv, FoldedConv3d) and isinstance(norm, FoldedBatchNorm3d)
    out: Tensor = norm(conv(x, norm), True) if foldable and not norm.training else norm(conv(x))
    return out
