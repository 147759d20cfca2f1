"""Pairs of categories that show the same two events in opposite orders, and what turns a video of
one into a video of the other.

Three pairs go there and back: the thing is in one state, A, changes to B, and back to A. The events
stand symmetrically in time, so that such a video played backwards is again A, B, A: one of its own
category. Its snippets in reverse order, each with its frames as they were, show the events in the
other order but the rests between them as before, which is a video of neither. The two halves
swapped are B, A, B, a video of the mirror category: the cut lies between the events, where the
state is B, and the halves meet in A, within the snippets' own motion as it was.

In the pair of colours the thing rests, takes one colour and rests, takes the other and rests:
played backwards it is a video of the mirror category. Its halves swapped give the other order too;
snippets in reverse order would show each colour go before it comes.

After a swap the events stand at 0.2 and 0.8 of the video instead of 0.3 and 0.7, and background and
light jump at the cut; time reversed leaves both within what the scripts draw.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mirror:
    """Two categories of the order group.

    turned_by: rearrangements of a video of one that give a video of the other, first the one that
    leaves the rest as the scripts draw it, as far as one does. kept_by: those that give a video of
    the same category. Each is the text of a change that `dsanet_core.whatif` makes.
    """

    categories: tuple[str, str]
    turned_by: tuple[str, ...]
    kept_by: tuple[str, ...] = ()


_THERE_AND_BACK = (
    ("Moving something left, then back to the right",
     "Moving something right, then back to the left"),
    ("Covering something, then uncovering it", "Uncovering something, then covering it again"),
    ("Something growing, then shrinking back", "Something shrinking, then growing back"),
)  # fmt: skip
_COLOURS = ("Something turning red, then blue", "Something turning blue, then red")

MIRRORS: tuple[Mirror, ...] = (
    *(Mirror(pair, ("swap_halves",), ("reverse_time",)) for pair in _THERE_AND_BACK),
    Mirror(_COLOURS, ("reverse_time", "swap_halves")),
)
MIRROR_OF: dict[str, str] = {
    one: other
    for mirror in MIRRORS
    for one, other in (mirror.categories, mirror.categories[::-1])
}
"""The mirror of each category of the order group."""
