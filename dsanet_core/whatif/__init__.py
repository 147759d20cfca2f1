"""What if the video or the network were another: changes, what follows from them, and which block
a prediction hangs on."""

from __future__ import annotations

from dsanet_core.whatif.changes import Change, parse_change
from dsanet_core.whatif.effects import rank_blocks, what_if

__all__ = ["Change", "parse_change", "rank_blocks", "what_if"]
