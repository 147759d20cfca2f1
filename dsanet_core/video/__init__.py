"""Video in: from a file to the tensor that a network is given."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsanet_core.video.clips import read_clips as read_clips
    from dsanet_core.video.decord_reader import read_with_decord as read_with_decord
    from dsanet_core.video.limits import DEFAULT_LIMITS as DEFAULT_LIMITS
    from dsanet_core.video.limits import Limits as Limits
    from dsanet_core.video.proxy import Proxy as Proxy
    from dsanet_core.video.proxy import browser_proxy as browser_proxy
    from dsanet_core.video.proxy import encode_h264 as encode_h264
    from dsanet_core.video.proxy import plays_in_browser as plays_in_browser
    from dsanet_core.video.sampling import snippet_indices as snippet_indices
    from dsanet_core.video.transforms import to_tensor as to_tensor

# Loaded on first use: the decoding child must not pay for torch.
_HOMES = {
    "DEFAULT_LIMITS": "limits",
    "Limits": "limits",
    "Proxy": "proxy",
    "browser_proxy": "proxy",
    "encode_h264": "proxy",
    "plays_in_browser": "proxy",
    "read_clips": "clips",
    "read_with_decord": "decord_reader",
    "snippet_indices": "sampling",
    "to_tensor": "transforms",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
