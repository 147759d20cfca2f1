"""The test protocols of both papers: which frames and crops of a video a network is shown."""

from __future__ import annotations

import copy
from dataclasses import replace

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import PRECISIONS, Protocol, Sampling

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


def with_protocol(
    network: VideoNetwork,
    protocol: str | Protocol | None = None,
    *,
    clips: int | None = None,
    crops: int | None = None,
    precision: str | None = None,
) -> VideoNetwork:
    """The same network under another test protocol; it shares its parameters with the given one,
    whose own protocol stays.

    protocol: a name of `TEST_PROTOCOLS`; None: the network's own. clips: groups of group_size
    snippets, instead of the protocol's; crops: 1 or 3, instead of the protocol's; precision:
    "float32", or "bfloat16" or "float16" by autocast, instead of the protocol's.
    Raises ModelError if there is no such protocol, or it shows frames that the network was not
    made for: another number of them in a snippet, or of snippets in a clip where snippets meet in
    the network, of another size or normalised in another way.
    """
    if network.spec is None:
        raise ModelError("a network without a spec", "one of the zoo", "Use create_model().")
    own: Protocol = network.spec.protocol
    if isinstance(protocol, str):
        if protocol not in TEST_PROTOCOLS:
            raise ModelError(
                f"no protocol {protocol!r}", f"one of {', '.join(TEST_PROTOCOLS)}",
                "Choose one of them, or change clips and crops of the network's own.",
            )
        name, chosen = protocol, TEST_PROTOCOLS[protocol]
    else:
        name, chosen = "of one's own", protocol or own
    if misfit := _misfit(network, chosen):
        raise ModelError(
            f"protocol {name} for {network.spec.name}: {misfit[0]}", misfit[1],
            "Choose a protocol of this network's papers, or change clips and crops of its own.",
        )
    try:
        if clips is not None:
            sampling = replace(chosen.sampling, num_snippets=clips * chosen.group_size)
            chosen = replace(chosen, sampling=sampling)
        if crops is not None:
            chosen = replace(chosen, num_crops=crops)
        if precision is not None:
            chosen = replace(chosen, precision=precision)
    except ValueError as error:
        raise ModelError(
            f"{clips} clips, {crops} crops and precision {precision} ({error})",
            f"at least 1 clip, 1 or 3 crops, one of {', '.join(PRECISIONS)}", "Choose such.",
        ) from error
    view = copy.copy(network)  # of the module alone: its parts and parameters are the same objects
    view.spec = replace(network.spec, protocol=chosen)
    return view


def _misfit(network: VideoNetwork, protocol: Protocol) -> tuple[str, str] | None:
    """What a protocol shows and what the network expects instead, None if it fits."""
    own: Protocol = network.spec.protocol
    frames, expected = (p.sampling.frames_per_snippet for p in (protocol, own))
    if frames != expected:
        return f"{frames} frames per snippet", f"{expected}"
    if network.spec.consensus != "average" and protocol.group_size != own.group_size:
        return f"{protocol.group_size} snippets in a clip", f"{own.group_size}"
    if protocol.side != own.side:
        return f"input of {protocol.side} pixels", f"{own.side}"
    if (protocol.mean, protocol.std) != (own.mean, own.std):
        return f"mean {protocol.mean}, std {protocol.std}", f"{own.mean}, {own.std}"
    return None
