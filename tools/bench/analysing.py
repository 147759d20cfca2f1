"""From bytes to `Analysis`, over what cannot be spared: the decoding and the forwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dsanet_core.models.base import VideoNetwork
from tools.bench.clips import CLIP, write_clip
from tools.bench.timing import Line, Wanted, in_turns

SECTION = "analysis"
REPEATS = 30
PAIR = ("dsa_i3d_synth", "i3d_synth")


def measure(repeats: int | None = None) -> Iterator[Line]:
    """The embedded pair that the app shows side by side, one decode for both."""
    from dsanet_core.analysis import analyze, protocol_of
    from dsanet_core.checkpoints import load_model
    from dsanet_core.video import read_clips, to_tensor

    networks = [load_model(name, "cpu") for name in PAIR]
    sampling = protocol_of(networks[0]).sampling
    whole, decode, forwards = "bytes to both analyses", "decoding alone", "forwards alone"
    with tempfile.TemporaryDirectory() as folder:
        path = write_clip(Path(folder) / "clip.mp4")
        clips = read_clips(path, sampling)
        views = [to_tensor(clips, protocol_of(network)) for network in networks]

        def analyse_both() -> None:
            shared = read_clips(path, sampling)
            for network in networks:
                analyze(shared, network)

        turns = in_turns(
            {
                whole: analyse_both,
                decode: lambda: read_clips(path, sampling),
                forwards: lambda: [
                    forward_all(network, shown)
                    for network, shown in zip(networks, views, strict=True)
                ],
            },
            repeats or REPEATS,
        )
    both = f"{decode} + {forwards}"
    turns = turns.summed(both, (decode, forwards))
    words = f"{' and '.join(PAIR)}, {CLIP}; {protocol_of(networks[0]).describe()}"
    yield turns.line(SECTION, whole, words, over=both, wanted=Wanted("ratio", "<=", 1.2))
    yield turns.line(SECTION, decode, f"read_clips, {CLIP}")
    yield turns.line(SECTION, forwards, f"{words}; the same views, without capture")


def forward_all(network: VideoNetwork, views: Tensor) -> Tensor:
    """The network alone on views of one video, as many at a time as an analysis takes."""
    from dsanet_core.analysis import rows_per_batch

    step = rows_per_batch(views)
    with torch.inference_mode():
        return torch.cat([network(views[i : i + step]) for i in range(0, len(views), step)])
