"""A network that starts from weights at hand."""

from __future__ import annotations

from pathlib import Path

from dsanet_core.checkpoints.limits import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.checkpoints.load import load_model
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.transfer import Start, transfer


def start_from(
    network: VideoNetwork, name_or_path: str | Path, *, limits: CheckpointLimits = DEFAULT_LIMITS
) -> Start:
    """Give a network the weights that it shares with another; what was copied, what not.

    name_or_path: as of `load_model`, so also a public checkpoint. A DSA or SDA network starts from
    one without (the plug-and-play use of both papers), a 3D one from a 2D one by inflation; see
    `transfer`. The classifier is copied where both have the same classes in the same order.
    Raises CheckpointError for weights that cannot be loaded, or are of another backbone.
    """
    source = load_model(name_or_path, "cpu", limits=limits)
    same = network.spec is not None and network.spec.classes == source.spec.classes
    return transfer(network, source.state_dict(), classifier=same)
