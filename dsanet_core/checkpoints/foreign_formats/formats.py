"""The formats of public checkpoints: how each calls its tensors, and what it leaves unsaid.

Each row stands on the code that writes such files, or on files that were published; names in the
rules are regular expressions of theirs and templates of ours (`models.resnet`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Rules = tuple[tuple[str, str], ...]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation on the 0-1 scale; 123.675, 116.28, 103.53 and 58.395, 57.12, 57.375 on 0-255.
"""
KINETICS = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))

_BN = r"(?P<part>weight|bias|running_mean|running_var|num_batches_tracked)"
_FC = r"(?P<part>weight|bias)"
_STAGE, _BLOCK, _CONV = r"(?P<stage>\d)", r"(?P<block>\d+)", r"(?P<conv>[123abc])"
_COUNTERS = (r"(?:.*\.)?total_(?:ops|params)", "a counter of the profiler thop")
_NUMBERS = {"a": "1", "b": "2", "c": "3"}


@dataclass(frozen=True)
class Format:
    """A code whose checkpoints are known.

    mark: what a name of its files, and of no others', begins with. rules: names of theirs, as
    regular expressions, and of ours; first_stage: how it counts res2. ignored: names that are left,
    and why. normalisation: mean and deviation of RGB on the 0-1 scale. sorted_labels: whether its
    label lists are in alphabetical order, else in that of the data set's own list. views: the
    code's own test views, in words. pools_2d: its 2D networks pool time between stages, which no
    network here does and no tensor shows. source: where all that stands.
    """

    name: str
    mark: str
    rules: Rules
    source: str
    first_stage: int = 1
    ignored: Rules = (_COUNTERS,)
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    sorted_labels: bool = False
    views: str = ""
    pools_2d: bool = False

    def ours(self, key: str) -> str | None:
        """Our name for one of theirs, None for one that no rule knows."""
        for pattern, template in self.rules:
            if match := re.fullmatch(pattern, key):
                return template.format_map(dict(self._parts(match)))
        return None

    def why_ignored(self, key: str) -> str | None:
        return next((why for pattern, why in self.ignored if re.fullmatch(pattern, key)), None)

    def _parts(self, match: re.Match[str]) -> Iterator[tuple[str, str]]:
        for name, text in match.groupdict().items():
            if name == "stage":
                text = str(int(text) - self.first_stage + 1)
            yield name, _NUMBERS.get(text, text) if name == "conv" else text


def _torchvision_names(prefix: str, *, block: str = "") -> Rules:
    """A ResNet as torchvision calls its parts, behind a prefix. block: may stand in the name of a
    residual block. ".net": what TSM wraps a convolution in."""
    at = rf"{prefix}layer{_STAGE}\.{_BLOCK}\.{block}"
    return (
        (rf"{prefix}conv1\.weight", "conv1.weight"),
        (rf"{prefix}bn1\.{_BN}", "bn1.{part}"),
        (rf"{at}conv{_CONV}(?:\.net)?\.weight", "layer{stage}.{block}.conv{conv}.weight"),
        (rf"{at}bn{_CONV}\.{_BN}", "layer{stage}.{block}.bn{conv}.{part}"),
        (rf"{at}downsample\.0\.weight", "layer{stage}.{block}.downsample.0.weight"),
        (rf"{at}downsample\.1\.{_BN}", "layer{stage}.{block}.downsample.1.{part}"),
    )


_BASE = _torchvision_names(r"base_model\.")
_BASE_FC = ((rf"(?:new_fc|base_model\.fc)\.{_FC}", "fc.{part}"),)
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
_MM_AT = rf"backbone\.layer{_STAGE}\.{_BLOCK}\."
_PTV_AT = rf"blocks\.{_STAGE}\.res_blocks\.{_BLOCK}\."
_SLOW_AT = rf"s{_STAGE}\.pathway0_res{_BLOCK}\."

FORMATS: tuple[Format, ...] = (
    Format(
        "MMAction2", r"backbone\.layer1\.0\.conv1\.conv\.",
        (
            (r"backbone\.conv1\.conv\.weight", "conv1.weight"),
            (rf"backbone\.conv1\.bn\.{_BN}", "bn1.{part}"),
            (rf"{_MM_AT}conv{_CONV}\.conv(?:\.net)?\.weight",
             "layer{stage}.{block}.conv{conv}.weight"),
            (rf"{_MM_AT}conv{_CONV}\.bn\.{_BN}", "layer{stage}.{block}.bn{conv}.{part}"),
            (rf"{_MM_AT}downsample\.conv\.weight", "layer{stage}.{block}.downsample.0.weight"),
            (rf"{_MM_AT}downsample\.bn\.{_BN}", "layer{stage}.{block}.downsample.1.{part}"),
            (rf"cls_head\.fc_cls\.{_FC}", "fc.{part}"),
        ),
        "open-mmlab/mmaction2, configs/recognition/{slowonly,tsm,tsn}",
        ignored=(
            _COUNTERS, (r"data_preprocessor\..*", "its normalisation, which the format tells"),
        ),
        views="10 clips x 3 crops of 256 (slowonly), 10 crops of 224 (TSM), 25 frames x 10 crops "
        "(TSN)",
    ),
    Format(
        "DSANet, the authors' code", r"backbone\.layer1\.0\.(?:block\.)?conv1\.",
        (
            *_torchvision_names(r"backbone\.", block=r"(?:block\.)?"), *_DSA,
            (rf"cls_head\.(?:fc_cls|new_fc)\.{_FC}", "fc.{part}"),
        ),
        "whwu95/DSANet, codes/models",
        views="8 snippets x 3 crops of 256",
    ),
    Format(
        "SDA-Net, the authors' code", r"base_model\.layer1\.0\.sda\.",
        (*_BASE, *_SDA, *_BASE_FC),
        "ty-97/SDA, nets and ops",
        sorted_labels=True,
        views="2 clips x 3 crops of 256, resized to 224",
    ),
    Format(
        "TSM, the authors' code", r"base_model\.layer1\.0\.conv1\.",
        (*_BASE, *_BASE_FC),
        "mit-han-lab/temporal-shift-module, ops",
        sorted_labels=True,
        views="8 frames, centre crop 224 of 256",
    ),
    Format(
        "PyTorchVideo", r"blocks\.1\.res_blocks\.0\.",
        (
            (r"blocks\.0\.conv\.weight", "conv1.weight"),
            (rf"blocks\.0\.norm\.{_BN}", "bn1.{part}"),
            (rf"{_PTV_AT}branch2\.conv_{_CONV}\.weight", "layer{stage}.{block}.conv{conv}.weight"),
            (rf"{_PTV_AT}branch2\.norm_{_CONV}\.{_BN}", "layer{stage}.{block}.bn{conv}.{part}"),
            (rf"{_PTV_AT}branch1_conv\.weight", "layer{stage}.{block}.downsample.0.weight"),
            (rf"{_PTV_AT}branch1_norm\.{_BN}", "layer{stage}.{block}.downsample.1.{part}"),
            (rf"blocks\.5\.proj\.{_FC}", "fc.{part}"),
        ),
        "facebookresearch/pytorchvideo, models/resnet.py and models/hub",
        normalisation=KINETICS,
        sorted_labels=True,
        views="10 clips x 3 crops of 256",
        pools_2d=True,
    ),
    Format(
        "PySlowFast", r"s2\.pathway0_res0\.",
        (
            (r"s1\.pathway0_stem\.conv\.weight", "conv1.weight"),
            (rf"s1\.pathway0_stem\.bn\.{_BN}", "bn1.{part}"),
            (rf"{_SLOW_AT}branch2\.{_CONV}\.weight", "layer{stage}.{block}.conv{conv}.weight"),
            (rf"{_SLOW_AT}branch2\.{_CONV}_bn\.{_BN}", "layer{stage}.{block}.bn{conv}.{part}"),
            (rf"{_SLOW_AT}branch1\.weight", "layer{stage}.{block}.downsample.0.weight"),
            (rf"{_SLOW_AT}branch1_bn\.{_BN}", "layer{stage}.{block}.downsample.1.{part}"),
            (rf"head\.projection\.{_FC}", "fc.{part}"),
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
        (*_torchvision_names(""), (rf"fc\.{_FC}", "fc.{part}")),
        "pytorch/vision, torchvision/models/resnet.py",
        sorted_labels=True,
    ),
)
"""The first whose mark stands among a file's names is its format."""
