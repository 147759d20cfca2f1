"""An analysis in which everything that comes from outside tries to be something else."""

from __future__ import annotations

from dataclasses import replace

from dsanet_core.records import Analysis
from tests.factory import CLASSES, make_analysis

ATTACK = "</script><script>window.taken = 1</script><img src='http://evil/x' onerror='taken = 1'>"
CATEGORIES = (
    f"{ATTACK} one",
    "**bold** [link](javascript:taken=1) {{ 7 * 7 }}",
    "two\nlines \x00 \u202eturned",
    "a & b <!-- c",
    *CLASSES[4:],
)


def hostile_analysis(seed: int = 0, **choices: str) -> Analysis:
    made = make_analysis(seed, classes=CATEGORIES, **choices)
    return replace(
        made,
        video=replace(made.video, name=f"{ATTACK}\udce9 ☃.mp4", codec=ATTACK, notes=(ATTACK,)),
        model=replace(made.model, name=f"{made.model.name} {ATTACK}", trained_on=ATTACK),
        changes=(ATTACK,),
    )
