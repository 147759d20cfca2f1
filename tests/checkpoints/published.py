"""Checkpoints as public codes write them, made from networks of this package: for every format a
table from our names to theirs, written down from the codes' own modules and published files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dsanet_core.models.base import VideoNetwork
from tests.models.networks import tiny

State = dict[str, Tensor]
SLOWFAST = {"conv1": "a", "conv2": "b", "conv3": "c", "bn1": "a_bn", "bn2": "b_bn", "bn3": "c_bn"}
TORCHVIDEO = {
    "conv1": "conv_a", "conv2": "conv_b", "conv3": "conv_c",
    "bn1": "norm_a", "bn2": "norm_b", "bn3": "norm_c",
}  # fmt: skip


def _parts(key: str) -> tuple[str, str, str, str]:
    """Stage, block, layer and the rest of a name such as layer2.0.conv1.weight; the stage is ""
    outside of stages, where the layer is all before the last dot."""
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.(.+)\.(\w+)", key):
        return match[1], match[2], match[3], match[4]
    layer, _, part = key.rpartition(".")
    return "", "", layer, part


def mmaction(key: str, shifted: bool = False) -> str:
    stage, block, layer, part = _parts(key)
    if layer == "fc":
        return f"cls_head.fc_cls.{part}"
    at = f"backbone.layer{stage}.{block}." if stage else "backbone."
    if layer.startswith("downsample"):
        return f"{at}downsample.{'conv' if layer.endswith('0') else 'bn'}.{part}"
    if layer.startswith("bn"):
        return f"{at}conv{layer[2]}.bn.{part}"
    return f"{at}{layer}.conv.{'net.' if shifted and stage and layer == 'conv1' else ''}{part}"


def mmaction_tsm(key: str) -> str:
    return mmaction(key, shifted=True)


def dsanet(key: str, with_dsa: frozenset[str] = frozenset({"2.1", "2.3", "3.1", "3.3", "3.5"})
           ) -> str:
    stage, block, layer, part = _parts(key)
    if layer == "fc":
        return f"cls_head.fc_cls.{part}"
    inner = "block." if f"{stage}.{block}" in with_dsa and not layer.startswith("dsa") else ""
    at = f"backbone.layer{stage}.{block}.{inner}" if stage else "backbone."
    return f"{at}{layer}.{part}"


def dsanet_r18(key: str) -> str:
    return dsanet(key, frozenset({"2.1", "3.1"}))


def tsm(key: str) -> str:
    stage, block, layer, part = _parts(key)
    if layer == "fc":
        return f"module.new_fc.{part}"
    at = f"module.base_model.layer{stage}.{block}." if stage else "module.base_model."
    return f"{at}{layer}.{'net.' if stage and layer == 'conv1' else ''}{part}"


def tsm_r101(key: str) -> str:
    """Every second block is shifted."""
    stage, block, _, _ = _parts(key)
    plain = stage and int(block) % 2
    return tsm(key).replace(".net.", ".") if plain else tsm(key)


def sda(key: str) -> str:
    key = tsm(key).replace(".net.", ".")
    for ours, theirs in ((".sda.down.", ".sda.channel_down."), (".sda.up.", ".sda.channel_up."),
                         (".sda.query", ".sda.agg.qVec")):
        key = key.replace(ours, theirs)
    return key


def torchvideo(key: str) -> str:
    stage, block, layer, part = _parts(key)
    if not stage:
        return {"conv1": "blocks.0.conv.", "bn1": "blocks.0.norm.", "fc": "blocks.5.proj."}[
            layer] + part
    at = f"blocks.{stage}.res_blocks.{block}."
    if layer.startswith("downsample"):
        return f"{at}branch1_{'conv' if layer.endswith('0') else 'norm'}.{part}"
    return f"{at}branch2.{TORCHVIDEO[layer]}.{part}"


def slowfast(key: str) -> str:
    stage, block, layer, part = _parts(key)
    if not stage:
        return {"conv1": "s1.pathway0_stem.conv.", "bn1": "s1.pathway0_stem.bn.",
                "fc": "head.projection."}[layer] + part
    at = f"s{int(stage) + 1}.pathway0_res{block}."
    if layer.startswith("downsample"):
        return f"{at}branch1{'' if layer.endswith('0') else '_bn'}.{part}"
    return f"{at}branch2.{SLOWFAST[layer]}.{part}"


def torchvision(key: str) -> str:
    return key


def flat(key: str, value: Tensor) -> Tensor:
    """As a 2D network has it: kernels without time; SDA's as the authors' layers have them."""
    if key.endswith("sda.query"):
        return value[None]
    if match := re.search(r"sda\.mdm\.(\d)\.conv", key):
        linear, plane, line = value[:, :, 0, 0, 0], value[:, :, 0], value[:, :, :, 0, 0]
        return (linear, plane, line, value)[int(match[1])].clone()
    if re.search(r"sda\.(down|up)\.", key):
        return value
    return value[:, :, 0].clone() if value.ndim == 5 else value


def as_it_is(key: str, value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class Published:
    """One kind of public file. row, args: the network of this package that it holds; rename:
    our names -> theirs; reshape: numbers as they lay them out; container: where the tensors stand;
    some: a few names as published files have them; name: of the file, where that says something."""

    row: str
    rename: Callable[[str], str]
    some: tuple[str, ...]
    reshape: Callable[[str, Tensor], Tensor] = as_it_is
    args: Mapping[str, Any] | None = None
    container: str = "state_dict"
    extra: Mapping[str, Any] | None = None
    name: str = "a.pth"

    def network(self, width: int = 0) -> VideoNetwork:
        """SDA models dependencies on 16 channels at least."""
        width = width or (16 if "sda" in self.row else 8)
        return tiny(self.row, width=width, **(self.args or {}))

    def state(self, network: VideoNetwork) -> State:
        return {
            self.rename(key): self.reshape(key, value.detach()).contiguous()
            for key, value in network.state_dict().items()
        }

    def write(self, folder: Path, state: State, *, legacy: bool = False) -> Path:
        path = folder / self.name
        content = {self.container: state, "epoch": 50} if self.container else state
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        return path


_COUNTERS = {"module.total_ops": torch.zeros(1, dtype=torch.float64)}
PUBLISHED: dict[str, Published] = {
    "MMAction2 slowonly R50": Published(
        "i3d_r50", mmaction,
        ("backbone.conv1.conv.weight", "backbone.conv1.bn.running_var",
         "backbone.layer3.5.conv3.bn.weight", "backbone.layer4.0.downsample.conv.weight",
         "backbone.layer4.0.downsample.bn.bias", "cls_head.fc_cls.weight"),
        name="slowonly_r50_8x8x1_256e_kinetics400_rgb.pth"),
    "MMAction2 slowonly R18": Published("i3d_r18", mmaction, ("backbone.layer4.1.conv2.bn.bias",)),
    "MMAction2 TSM R50": Published(
        "tsm_r50", mmaction_tsm,
        ("backbone.layer1.0.conv1.conv.net.weight", "backbone.layer1.0.conv1.bn.weight",
         "backbone.layer1.0.conv2.conv.weight"),
        flat, name="tsm_r50_1x1x8_50e_kinetics400_rgb.pth"),
    "MMAction2 TSN R50": Published("tsn_r50", mmaction, ("backbone.conv1.conv.weight",), flat),
    "DSANet R50": Published(
        "dsa_i3d_r50_8x8", dsanet,
        ("backbone.conv1.weight", "backbone.bn1.weight", "backbone.layer1.0.conv1.weight",
         "backbone.layer2.1.block.conv1.weight", "backbone.layer2.1.dsa.generate.0.weight",
         "backbone.layer3.5.dsa.generate.3.weight", "backbone.layer2.0.downsample.1.bias")),
    "DSANet R18": Published(
        "dsa_i3d_r18", dsanet_r18, ("backbone.layer3.1.block.bn2.weight",), name="4x8.pth"),
    "SDA-TSN R50": Published(
        "sda_tsn_r50", sda,
        ("module.base_model.layer1.0.sda.channel_down.weight",
         "module.base_model.layer4.2.sda.mdm.3.bn.running_mean",
         "module.base_model.layer4.2.sda.agg.qVec", "module.new_fc.bias"),
        flat, extra=_COUNTERS, name="TSN_SDA_resnet50_somethingv1_segment8.pth.tar"),
    "SDA-TSM R50": Published("sda_tsm_r50", sda, (), flat, name="TSM_SDA_resnet50_segment8.pth"),
    "SDA averaged": Published(
        "sda_tsn_r50", sda, (), flat,
        {"sda": {"dependencies": ["LST", "LT", "LS", "S122"], "reduction": 4,
                 "aggregation": "avg"}}),
    "TSM R50": Published(
        "tsm_r50", tsm,
        ("module.base_model.layer1.0.conv1.net.weight", "module.base_model.layer1.0.bn1.bias",
         "module.base_model.layer2.0.downsample.0.weight", "module.new_fc.weight"),
        flat, name="TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e50.pth"),
    "TSM R101": Published("tsm_r101", tsm_r101, (), flat),
    "PyTorchVideo": Published(
        "i3d_r50", torchvideo,
        ("blocks.0.norm.weight", "blocks.1.res_blocks.0.branch1_conv.weight",
         "blocks.4.res_blocks.2.branch2.norm_c.bias", "blocks.5.proj.weight"),
        container="model_state", name="SLOW_4x16_R50.pyth"),
    "PySlowFast": Published(
        "i3d_r50", slowfast,
        ("s1.pathway0_stem.conv.weight", "s2.pathway0_res0.branch1.weight",
         "s2.pathway0_res0.branch1_bn.bias", "s5.pathway0_res2.branch2.c_bn.weight",
         "head.projection.bias"),
        container="model_state", name="SLOW_8x8_R50.pyth"),
    "torchvision R18": Published(
        "tsn_r18", torchvision, ("layer1.0.conv1.weight", "fc.weight"), flat, container=""),
    "inflated R18": Published("i3d_r18", torchvision, (), container=""),
    "C3D R50": Published("c3d_r50", torchvision, (), container=""),
}
