"""Convolution and batch normalisation as one layer where nothing is learnt of the batch.

Both stay modules of their own with the parameters and names they have; what they compute together
is the same to rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.models import fused

Size = tuple[int, int, int]


class _Kept(NamedTuple):
    """Folded tensors, and what tells whether those that they were made of are still the same."""

    made_of: tuple[torch.dtype, list[tuple[int, int]]]
    weight: Tensor
    bias: Tensor
    packed: fused.Packed


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

    def forward(
        self,
        x: Tensor,
        norm: nn.BatchNorm3d | None = None,
        added: Tensor | None = None,
        rectify: bool = False,
    ) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T, H / stride, W / stride), normalised by the running
        statistics of `norm` where it is given, plus what is `added`, then rectified."""
        if norm is None:
            return self._convolve(x, self._flat(self.weight), None, added, rectify)
        return self._convolve(x, *self._folded(norm, x.device), added, rectify)

    def __getstate__(self) -> dict[str, object]:
        """A copy keeps its own: packed weights cannot be copied."""
        return self.__dict__ | {"_kept": None}

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
            kept = self._kept = _Kept(made_of, weight.to(dtype), bias.to(dtype), {})
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

    def _convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        added: Tensor | None = None,
        rectify: bool = False,
    ) -> Tensor:
        """In two dimensions where that is the same: on a CPU up to four times faster."""
        if weight.ndim == 5:
            out = functional.conv3d(x, weight, bias, self.stride, self.padding)
            return _finished(out, added, rectify)
        axes = slice(1, None) if self.kernel_size[0] == 1 else slice(2)
        stride, padding = self.stride[axes], tuple(map(int, self.padding[axes]))
        pictures = self._pictures(x)
        kept = self._kept
        if fused.can_fuse(weight) and kept is not None and weight is kept.weight:
            out = fused.convolve(
                pictures, weight, bias, stride, padding,
                added=None if added is None else self._pictures(added), rectify=rectify,
                packed=kept.packed,
            )
            return self._frames(out, x)
        out = functional.conv2d(pictures, weight, bias, stride, padding)
        return _finished(self._frames(out, x), added, rectify)

    def _pictures(self, x: Tensor) -> Tensor:
        """What a convolution in two dimensions reads of a feature: (B*T, C, H, W), or for a
        temporal kernel (B, C, T, H*W)."""
        return x.transpose(1, 2).flatten(0, 1) if self.kernel_size[0] == 1 else x.flatten(3)

    def _frames(self, pictures: Tensor, x: Tensor) -> Tensor:
        """What such a convolution made of x, as a feature."""
        if self.kernel_size[0] == 1:
            return pictures.view(-1, x.shape[2], *pictures.shape[1:]).transpose(1, 2)
        return pictures.view(*pictures.shape[:3], *x.shape[3:])


def _finished(out: Tensor, added: Tensor | None, rectify: bool) -> Tensor:
    """ReLU of out + added; `out` is the caller's own and may be written to."""
    if added is not None:
        out = out + added if torch.is_grad_enabled() else out.add_(added)
    return functional.relu(out, inplace=True) if rectify else out


class FoldedBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation that lets pass what a convolution has normalised already."""

    def forward(self, x: Tensor, is_normalised: bool = False) -> Tensor:
        return x if is_normalised else super().forward(x)


def normalised(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """norm(conv(x)), in evaluation mode as one convolution where both can.

    Both are called, so that what is inserted before the one and after the other runs.
    """
    out: Tensor = norm(conv(x, norm), True) if _can_fold(conv, norm) else norm(conv(x))
    return out


def rectified(
    conv: nn.Module,
    norm: nn.Module,
    x: Tensor,
    *,
    added: Tensor | None = None,
    relu: nn.Module | None = None,
) -> Tensor:
    """ReLU of norm(conv(x)) + added; where no gradient is wanted and nothing works or looks in
    between as one convolution, past `norm` and `relu`.

    relu: the module that does it; a function without one.
    """
    hooks = [conv._forward_hooks]
    for layer in (norm, relu):
        hooks += [] if layer is None else [layer._forward_pre_hooks, layer._forward_hooks]
    if _can_fold(conv, norm) and not torch.is_grad_enabled() and not any(hooks):
        out: Tensor = conv(x, norm, added, True)
        return out
    out = _finished(normalised(conv, norm, x), added, rectify=relu is None)
    return out if relu is None else relu(out)


def _can_fold(conv: nn.Module, norm: nn.Module) -> bool:
    fit = isinstance(conv, FoldedConv3d) and isinstance(norm, FoldedBatchNorm3d)
    return fit and not norm.training
