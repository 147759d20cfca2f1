"""Convolution, normalisation, sum and ReLU as one layer in evaluation mode."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.inference import mkldnn_bf16


class _Folded(NamedTuple):
    """Folded tensors, and the format, addresses and versions of those that they were made of."""

    made_of: tuple[torch.dtype, list[tuple[int, int]]]
    weight: Tensor
    bias: Tensor
    packed: mkldnn_bf16.Packed


class FastConv3d(nn.Conv3d):
    """`nn.Conv3d` as of `models.base.convolution`: in two dimensions where that is the same, which
    on a CPU is up to four times faster, and with the normalisation behind it folded in (`conv_bn`).

    The folded weight is kept for the next forward and made anew when any tensor that it was made of
    has changed.
    """

    _folded: _Folded | None = None

    @classmethod
    def fits(cls, conv: nn.Conv3d) -> bool:
        """True for convolutions that this class computes."""
        plain = conv.bias is None and conv.groups == 1 and conv.padding_mode == "zeros"
        same = conv.padding == tuple(extent // 2 for extent in conv.kernel_size)
        odd = all(extent % 2 for extent in conv.kernel_size) and conv.dilation == (1, 1, 1)
        return plain and same and odd and conv.stride[0] == 1 and conv.stride[1] == conv.stride[2]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T, H / stride, W / stride)."""
        return self._convolve(x, self._flat(self.weight), None)

    def fused(
        self, x: Tensor, norm: nn.BatchNorm3d, added: Tensor | None = None, rectify: bool = False
    ) -> Tensor:
        """The convolution normalised by the running statistics of `norm`, plus `added`, rectified;
        shapes as of `forward`."""
        return self._convolve(x, *self._fold(norm, x.device), added, rectify)

    def further_term(self, x: Tensor, norm: nn.BatchNorm3d) -> Tensor:
        """Increase of the normalised output for an input that is larger by x."""
        return self._convolve(x, self._fold(norm, x.device)[0], None)

    def __getstate__(self) -> dict[str, object]:
        """A copy makes its own: packed weights cannot be copied."""
        return self.__dict__ | {"_folded": None}

    def _fold(self, norm: nn.BatchNorm3d, device: torch.device) -> tuple[Tensor, Tensor]:
        """Weight (as of `_flat`) and bias; kept where no gradient is wanted."""
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or device.type == "meta":
            return self._fold_now(norm, mean, variance)
        dtype = self.weight.dtype
        if torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        sources = (self.weight, norm.weight, norm.bias, mean, variance)
        try:
            made_of = (dtype, [(source.data_ptr(), source._version) for source in sources])
        except RuntimeError:  # tensors of inference mode have no version
            return self._fold_now(norm, mean, variance)
        folded = self._folded
        if folded is None or folded.made_of != made_of:
            weight, bias = self._fold_now(norm, mean, variance)
            folded = self._folded = _Folded(made_of, weight.to(dtype), bias.to(dtype), {})
        return folded.weight, folded.bias

    def _fold_now(
        self, norm: nn.BatchNorm3d, mean: Tensor, variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        bias = torch.addcmul(norm.bias, mean, scale, value=-1)
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
        if weight.ndim == 5:
            out = functional.conv3d(x, weight, bias, self.stride, self.padding)
            return _finish(out, added, rectify)
        axes = slice(1, None) if self.kernel_size[0] == 1 else slice(2)
        stride, padding = self.stride[axes], tuple(map(int, self.padding[axes]))
        images, folded = self._images(x), self._folded
        if folded is not None and weight is folded.weight and mkldnn_bf16.can_convolve(weight):
            out = mkldnn_bf16.convolve(
                images, weight, bias, stride, padding,
                added=None if added is None else self._images(added), rectify=rectify,
                packed=folded.packed,
            )
            return self._frames(out, x)
        out = functional.conv2d(images, weight, bias, stride, padding)
        return _finish(self._frames(out, x), added, rectify)

    def _images(self, x: Tensor) -> Tensor:
        """A feature as input of a convolution in two dimensions: (B*T, C, H, W), or for a temporal
        kernel (B, C, T, H*W)."""
        return x.transpose(1, 2).flatten(0, 1) if self.kernel_size[0] == 1 else x.flatten(3)

    def _frames(self, images: Tensor, x: Tensor) -> Tensor:
        """The output of such a convolution of x as a feature (B, C', T, H', W')."""
        if self.kernel_size[0] == 1:
            return images.view(-1, x.shape[2], *images.shape[1:]).transpose(1, 2)
        return images.view(*images.shape[:3], *x.shape[3:])


def conv_bn(
    conv: nn.Module,
    norm: nn.Module,
    x: Tensor,
    *,
    added: Tensor | None = None,
    rectify: bool = False,
) -> Tensor:
    """norm(conv(x)) + added, with `rectify` its ReLU: one layer where both can be folded.

    (B, C, T, H, W) -> (B, C', T, H / stride, W / stride). No forward hooks of the two run.
    """
    if isinstance(conv, FastConv3d) and type(norm) is nn.BatchNorm3d and not norm.training:
        return conv.fused(x, norm, added, rectify)
    return _finish(norm(conv(x)), added, rectify)


def is_hooked(*layers: nn.Module) -> bool:
    """True if forward or backward hooks stand on any of these layers, which fused ones would pass.
    """
    return any(
        layer._forward_hooks or layer._forward_pre_hooks
        or layer._backward_hooks or layer._backward_pre_hooks
        for layer in layers
    )


def _finish(out: Tensor, added: Tensor | None, rectify: bool) -> Tensor:
    """ReLU of out + added; `out` is nobody else's and may be written to."""
    if added is not None:
        out = out + added if torch.is_grad_enabled() else out.add_(added)
    return functional.relu(out, inplace=True) if rectify else out
