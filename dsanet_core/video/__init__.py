"""Video in: from a file to the tensor that a network is given.

Names are loaded on first use: the decoding child must not pay for torch.
"""

from typing import TYPE_CHECKING

from dsanet_core.lazy import LazyExports

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

_exports = LazyExports(__name__, __file__)
__getattr__ = _exports.load
__all__ = sorted(_exports.module_of)
