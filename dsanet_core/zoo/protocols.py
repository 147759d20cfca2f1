"""The test protocols of both papers: which frames and crops of a video a network is shown."""

from __future__ import annotations

from dsanet_core.records import Protocol, Sampling

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, on the 0-1 scale."""


def kinetics(frames: int, *, group_size: int = 4) -> Protocol:
    """DSANet, section 4.2: 8 snippets of `frames` frames, stride 8, 3 crops of short side 256.

    The crops are 256 square, as in the authors' test configuration; the papers' multiply-adds are
    those of 224. group_size: U of one forward, so that 8 snippets are 2 interleaved groups of 4.
    """
    return Protocol(
        sampling=Sampling(num_snippets=8, frames_per_snippet=frames, frame_stride=8),
        group_size=group_size,
        num_crops=3,
        resize=256,
        crop=256,
        mean=MEAN,
        std=STD,
    )


def something_something(frames: int, *, crops: int = 1, clips: int = 1) -> Protocol:
    """SDA, section 4.2: `frames` single frames spread over the video, the centre 224 of short side
    256; with 3 crops full squares of 256 along the long side, each resized to 224.

    clips: sampled so many times, each clip shifted against the others by an equal part of the
    distance between its frames (twice-sampling of TSM, Lin et al., for 2).
    """
    return Protocol(
        sampling=Sampling(num_snippets=frames * clips, frames_per_snippet=1, frame_stride=1),
        group_size=frames,
        num_crops=crops,
        resize=256,
        crop=224 if crops == 1 else 256,
        resolution=224,
        mean=MEAN,
        std=STD,
    )


TEST_PROTOCOLS: dict[str, Protocol] = {
    **{
        f"{frames}x{crops}x{clips}": something_something(frames, crops=crops, clips=clips)
        for frames in (8, 16)
        for crops, clips in ((1, 1), (1, 2), (3, 2))
    },
    "4x8x3": kinetics(4),
    "8x8x3": kinetics(8),
}
"""By the papers' own names: frames x crops x clips in SDA, Table 3; frames x snippets x crops in
DSANet, Table 4."""
