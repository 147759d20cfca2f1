"""The formats of public checkpoints: their tensor names, and conventions that no tensor shows.

Each row is based on the code that writes such files, or on published files. Rules map regular
expressions for their names to templates of ours (`models.resnet`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Rules = tuple[tuple[str, str], ...]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation on the 0-1 scale; 123.675, 116.28, 103.53 and 58.395, 57.12, 57.375
on the 0-255 scale."""
KINETICS = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))

_BN = r"(?P<part>weight|bias|running_mean|running_var|num_batches_tracked)"
_FC = r"(?P<part>weight|bias)"
_STAGE, _BLOCK, _CONV = r"(?P<stage>\d)", r"(?P<block>\d+)", r"(?P<conv>[123abc])"
_COUNTERS = (r"(?:.*\.)?total_(?:ops|params)", "a counter of the profiler thop")
_NUMBERS = {"a": "1", "b": "2", "c": "3"}


@dataclass(frozen=True)
class Format:
    """A code base whose checkpoints are known.

    signature: regular expression that matches the start of a tensor name of this format only.
    rules: (regular expression of their name, template of ours). first_stage: its number of res2.
    ignored: names that are skipped, with the reason. normalisation: mean and standard deviation of
    RGB on the 0-1 scale. sorted_labels: classes are in alphabetical order, else in the order of the
    dataset's own list. views: its test views in words. pools_2d: its 2D networks pool over time
    between stages, which no network here does and no tensor shows. source: repository and files.
    """

    name: str
    signature: str
    rules: Rules
    source: str
    first_stage: int = 1
    ignored: Rules = (_COUNTERS,)
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    sorted_labels: bool = False
    views: str = ""
    pools_2d: bool = False

    def translate(self, key: str) -> str | None:
        """Our name of a tensor, None if no rule matches."""
        for pattern, template in self.rules:
            if match := re.fullmatch(pattern, key):
                return template.format_map(dict(self._parts(match)))
        return None

    def ignored_reason(self, key: str) -> str | None:
        """Reason for skipping a tensor, None if it is not ignored."""
        return next((why for pattern, why in self.ignored if re.fullmatch(pattern, key)), None)

    def _parts(self, match: re.Match[str]) -> Iterator[tuple[str, str]]:
        for name, text in match.groupdict().items():
            if name == "stage":
                text = str(int(text) - self.first_stage + 1)
            yield name, _NUMBERS.get(text, text) if name == "conv" else text


def _resnet(stem: tuple[str, str], block: str, parts: tuple[str, str, str, str], fc: str) -> Rules:
    """Rules for a ResNet. stem: names of its convolution and BatchNorm; block: of a residual block;
    parts: of its convolutions, their BatchNorm, the shortcut and its BatchNorm; fc: the classifier.
    """
    conv, bn, shortcut, shortcut_bn = (block + part for part in parts)
    return (
        (rf"{stem[0]}\.weight", "conv1.weight"),
        (rf"{stem[1]}\.{_BN}", "bn1.{part}"),
        (rf"{conv}\.weight", "layer{stage}.{block}.conv{conv}.weight"),
        (rf"{bn}\.{_BN}", "layer{stage}.{block}.bn{conv}.{part}"),
        (rf"{shortcut}\.weight", "layer{stage}.{block}.downsample.0.weight"),
        (rf"{shortcut_bn}\.{_BN}", "layer{stage}.{block}.downsample.1.{part}"),
        (rf"{fc}\.{_FC}", "fc.{part}"),
    )


def _torchvision(prefix: str, fc: str, *, block: str = "") -> Rules:
    """Rules for torchvision's names behind a prefix. block: optional part of the name of a residual
    block. ".net" is TSM's wrapper of a convolution."""
    return _resnet(
        (rf"{prefix}conv1", rf"{prefix}bn1"), rf"{prefix}layer{_STAGE}\.{_BLOCK}\.{block}",
        (rf"conv{_CONV}(?:\.net)?", f"bn{_CONV}", r"downsample\.0", r"downsample\.1"), fc,
    )


_BASE = _torchvision(r"base_model\.", r"(?:new_fc|base_model\.fc)")
_SDA_AT = rf"base_model\.layer{_STAGE}\.{_BLOCK}\.sda\."
_SDA = (
    (rf"{_SDA_AT}channel_(?P<way>down|up)\.weight", "layer{stage}.{block}.sda.{way}.weight"),
    (rf"{_SDA_AT}bn{_CONV}\.{_BN}", "layer{stage}.{block}.sda.bn{conv}.{part}"),
    (rf"{_SDA_AT}mdm\.(?P<index>\d)\.conv\.weight",
     "layer{stage}.{block}.sda.mdm.{index}.conv.weight"),
    (rf"{_SDA_AT}mdm\.(?P<index>\d)\.bn\.{_BN}",
     "layer{stage}.{block}.sda.mdm.{index}.bn.{part}"),
    (rf"{_SDA_AT}agg\.qVec", "layer{stage}.{block}.sda.query"),
)
_DSA_AT = rf"backbone\.layer{_STAGE}\.{_BLOCK}\.dsa\.generate\."
_DSA = (
    (rf"{_DSA_AT}(?P<index>[03])\.weight", "layer{stage}.{block}.dsa.generate.{index}.weight"),
    (rf"{_DSA_AT}1\.{_BN}", "layer{stage}.{block}.dsa.generate.1.{part}"),
)
FORMATS: tuple[Format, ...] = (
    Format(
        "MMAction2", r"backbone\.layer1\.0\.conv1\.conv\.",
        _resnet(
            (r"backbone\.conv1\.conv", r"backbone\.conv1\.bn"),
            rf"backbone\.layer{_STAGE}\.{_BLOCK}\.",
            (rf"conv{_CONV}\.conv(?:\.net)?", rf"conv{_CONV}\.bn", r"downsample\.conv",
             r"downsample\.bn"),
            r"cls_head\.fc_cls",
        ),
        "open-mmlab/mmaction2, configs/recognition/{slowonly,tsm,tsn}",
        ignored=(
            _COUNTERS, (r"data_preprocessor\..*", "its normalisation, which the format defines"),
        ),
        views="10 clips x 3 crops of 256 (slowonly), 10 crops of 224 (TSM), 25 frames x 10 crops "
        "(TSN)",
    ),
    Format(
        "DSANet, the authors' code", r"backbone\.layer1\.0\.(?:block\.)?conv1\.",
        (
            *_torchvision(r"backbone\.", r"cls_head\.(?:fc_cls|new_fc)", block=r"(?:block\.)?"),
            *_DSA,
        ),
        "whwu95/DSANet, codes/models",
        views="8 snippets x 3 crops of 256",
    ),
    Format(
        "SDA-Net, the authors' code", r"base_model\.layer1\.0\.sda\.",
        (*_BASE, *_SDA),
        "ty-97/SDA, nets and ops",
        sorted_labels=True,
        views="2 clips x 3 crops of 256, resized to 224",
    ),
    Format(
        "TSM, the authors' code", r"base_model\.layer1\.0\.conv1\.",
        _BASE,
        "mit-han-lab/temporal-shift-module, ops",
        sorted_labels=True,
        views="8 frames, centre crop 224 of 256",
    ),
    Format(
        "PyTorchVideo", r"blocks\.1\.res_blocks\.0\.",
        _resnet(
            (r"blocks\.0\.conv", r"blocks\.0\.norm"),
            rf"blocks\.{_STAGE}\.res_blocks\.{_BLOCK}\.",
            (rf"branch2\.conv_{_CONV}", rf"branch2\.norm_{_CONV}", "branch1_conv", "branch1_norm"),
            r"blocks\.5\.proj",
        ),
        "facebookresearch/pytorchvideo, models/resnet.py and models/hub",
        normalisation=KINETICS,
        sorted_labels=True,
        views="10 clips x 3 crops of 256",
        pools_2d=True,
    ),
    Format(
        "PySlowFast", r"s2\.pathway0_res0\.",
        _resnet(
            (r"s1\.pathway0_stem\.conv", r"s1\.pathway0_stem\.bn"),
            rf"s{_STAGE}\.pathway0_res{_BLOCK}\.",
            (rf"branch2\.{_CONV}", rf"branch2\.{_CONV}_bn", "branch1", "branch1_bn"),
            r"head\.projection",
        ),
        "facebookresearch/SlowFast, slowfast/models",
        first_stage=2,
        normalisation=KINETICS,
        sorted_labels=True,
        views="10 clips x 3 crops of 256",
        pools_2d=True,
    ),
    Format(
        "ResNet with torchvision's names", r"layer1\.0\.conv1\.",
        _torchvision("", "fc"),
        "pytorch/vision, torchvision/models/resnet.py",
        sorted_labels=True,
    ),
)
"""The format of a file is the first whose signature matches one of its tensor names."""
