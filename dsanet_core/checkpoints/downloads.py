"""Public checkpoints by name, with their URL and published SHA-256.

Publishers put the first eight digits of the SHA-256 into the file name (MMAction2's
`publish_model`, torch.hub); a file is verified against them before it is read. A checkpoint without
published digits is listed, but not downloaded.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.error import URLError

from dsanet_core import atomic, checkpoints
from dsanet_core.atomic import atomic_file
from dsanet_core.checkpoints.foreign_formats import Choices
from dsanet_core.checkpoints.importing import import_checkpoint
from dsanet_core.checkpoints.registry import entry_path, read_entry
from dsanet_core.errors import CheckpointError
from dsanet_core.text_format import file_size

MAX_BYTES = 600 << 20
TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Download:
    """A public checkpoint. sha256: its first digits as published, "" if none are. choices: settings
    that the file does not contain. trained_on: dataset. top1: percent, as published, of `views`."""

    address: str
    sha256: str
    choices: Choices
    trained_on: str
    top1: float
    views: str

    @property
    def file(self) -> str:
        return self.address.rpartition("/")[2]


_MM = "https://download.openmmlab.com/mmaction/"
_TORCH = "https://download.pytorch.org/models/"
_FACEBOOK = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"
_KINETICS, _IMAGENET = "Kinetics-400", "ImageNet-1k"
_DENSE, _TSM, _TSN = "10 clips x 3 crops", "8 frames x 10 crops", "25 frames x 10 crops"
_8X8, _4X16, _8F, _16F = (
    Choices(frames=8, stride=8), Choices(frames=4, stride=16), Choices(frames=8), Choices(frames=16)
)


def _slowonly(file: str, sha256: str, choices: Choices, top1: float, folder: str) -> Download:
    address = f"{_MM}{folder}/{file}-{sha256}.pth"
    return Download(address, sha256, choices, _KINETICS, top1, _DENSE)


DOWNLOADS: dict[str, Download] = {
    "slowonly_r50_4x16_k400": _slowonly(
        "slowonly_r50_4x16x1_256e_kinetics400_rgb_20200704", "a69556c6", _4X16, 73.02,
        "recognition/slowonly/slowonly_r50_4x16x1_256e_kinetics400_rgb"),
    "slowonly_r50_8x8_k400": _slowonly(
        "slowonly_r50_8x8x1_256e_kinetics400_rgb_20200703", "a79c555a", _8X8, 74.93,
        "recognition/slowonly/slowonly_r50_8x8x1_256e_kinetics400_rgb"),
    "slowonly_r101_8x8_k400": _slowonly(
        "slowonly_r101_without_omni_8x8x1_kinetics400_rgb_20200926", "0c730aef", _8X8, 76.5,
        "recognition/slowonly/omni"),
    "tsm_r50_8f_k400": Download(
        f"{_MM}recognition/tsm/tsm_r50_1x1x8_100e_kinetics400_rgb/"
        "tsm_r50_1x1x8_100e_kinetics400_rgb_20210701-7ff22268.pth",
        "7ff22268", _8F, _KINETICS, 71.9, _TSM),
    "tsm_r50_16f_k400": Download(
        f"{_MM}recognition/tsm/tsm_r50_1x1x16_50e_kinetics400_rgb/"
        "tsm_r50_1x1x16_50e_kinetics400_rgb_20210701-7c0c5d54.pth",
        "7c0c5d54", _16F, _KINETICS, 72.8, "16 frames x 10 crops"),
    "tsn_r50_k400": Download(
        f"{_MM}v1.0/recognition/tsn/tsn_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb/"
        "tsn_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb_20220906-2692d16c.pth",
        "2692d16c", _8F, _KINETICS, 74.12, _TSN),
    "tsn_r101_k400": Download(
        f"{_MM}v1.0/recognition/tsn/tsn_imagenet-pretrained-r101_8xb32-1x1x8-100e_kinetics400-rgb/"
        "tsn_imagenet-pretrained-r101_8xb32-1x1x8-100e_kinetics400-rgb_20220906-23cff032.pth",
        "23cff032", _8F, _KINETICS, 75.89, _TSN),
    **{
        f"resnet{depth}_imagenet": Download(
            f"{_TORCH}resnet{depth}-{sha256}.pth", sha256, _8F, _IMAGENET, top1, "1 crop of 224")
        for depth, sha256, top1 in (
            (18, "f37072fd", 69.758), (50, "0676ba61", 76.13), (101, "63fe2227", 77.374)
        )
    },
    "slow_r50_4x16_k400": Download(
        f"{_FACEBOOK}SLOW_4x16_R50.pyth", "", _4X16, _KINETICS, 72.4, _DENSE),
    "slow_r50_8x8_k400": Download(
        f"{_FACEBOOK}SLOW_8x8_R50.pyth", "", _8X8, _KINETICS, 74.58, _DENSE),
    "tsm_r50_8f_k400_mit": Download(
        "https://hanlab.mit.edu/projects/tsm/models/"
        "TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e50.pth",
        "", _8F, _KINETICS, 74.1, "8 frames x 10 clips"),
}
"""Download by local name. Accuracies and digits: MMAction2's metafiles, torchvision's
`ResNet*_Weights.IMAGENET1K_V1`, PyTorchVideo's model zoo, the README of TSM."""


def get_weights(
    name: str, progress: Callable[[str, float], None] = lambda step, share: None
) -> str:
    """Download a public checkpoint, verify its published digits and import it; the name.

    A file that is already in the folder `downloads` of `checkpoints.USER_FOLDER` is used. progress:
    called with a step and the completed share of it. Raises CheckpointError for an unknown name,
    one without published digits, a failed download (with the URL and the path to save it to), and
    a file with other digits.
    """
    if name not in DOWNLOADS:
        close = get_close_matches(name, DOWNLOADS, n=3, cutoff=0)
        raise CheckpointError(f"no public checkpoint {name!r}", "a name of 'weights list'",
                              f"Close: {', '.join(close)}.")
    row = DOWNLOADS[name]
    path = checkpoints.USER_FOLDER / "downloads" / row.file
    if not row.sha256:
        raise CheckpointError(
            f"{name} has no published sha256, so a file cannot be verified",
            "a file that you trust", f"Fetch {row.address} and run: import {row.file} --as {name}",
        )
    fetched = not path.is_file()
    if fetched:
        _fetch(row, path, progress)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256.startswith(row.sha256):
        with suppress(OSError):
            if fetched:
                path.unlink()
        raise CheckpointError(
            f"{row.file} has sha256 {sha256[:12]}...", f"one that begins with {row.sha256}",
            "It is damaged or another file: fetch it again.",
        )
    size = path.stat().st_size
    import_checkpoint(path, name, choices=row.choices)
    _record_origin(name, row, size, sha256)
    if fetched:
        path.unlink()
    return name


def _fetch(row: Download, target: Path, progress: Callable[[str, float], None]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(row.address, timeout=TIMEOUT_SECONDS) as source,
            atomic_file(target) as part,
            part.open("wb") as file,
        ):
            size = int(source.headers.get("Content-Length") or 0)
            done = 0
            while data := source.read(_CHUNK_BYTES):
                done += len(data)
                if done > MAX_BYTES:
                    raise OSError(f"more than {file_size(MAX_BYTES)}")
                file.write(data)
                progress(f"fetching {row.file}", done / size if size else 0.0)
            if done < size:
                raise OSError(f"only {done} of {size} bytes received")
    except (OSError, URLError, ValueError) as error:
        raise CheckpointError(
            f"{row.address} could not be fetched ({str(error)[:200]})",
            f"a network connection, or the file as {target}",
            "Fetch it where there is a network, put it there, and run this again.",
        ) from error


def _record_origin(name: str, row: Download, size: int, sha256: str) -> None:
    """Add the URL and the published accuracy to the import notes of an entry."""
    entry = {key: value for key, value in read_entry(name).items()
             if key not in ("path", "embedded")}
    notes = [[topic, text] for topic, text in entry["account"]
             if topic not in ("fetched", "published")]
    notes += [
        ["fetched", f"{row.address}, {size} bytes, sha256 {sha256} (published: {row.sha256}...)"],
        ["published", f"top-1 {row.top1:g}% on {row.trained_on}, {row.views}"],
    ]
    atomic.write_text(entry_path(name), json.dumps(entry | {"account": notes}, indent=2) + "\n")
