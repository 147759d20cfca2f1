"""Results of a run of damaged files as a page."""

from __future__ import annotations

import json
import platform
from collections import Counter
from pathlib import Path
from typing import Any

import av

from dsanet_core.video import sandbox
from tools.fuzz.attempt import FINDINGS, LIMITS, PICTURES, PROXY_EVERY
from tools.fuzz.bases import CONTAINERS, NUM_FRAMES
from tools.markdown import table

HEAD = """# Damaged files through the decoding sandbox

Written by `python -m tools.fuzz report`; the run is `python -m tools.fuzz run`. Every file is
determined by its container and a seed (`python -m tools.fuzz one CONTAINER SEED` repeats one): a
small intact video of {num_frames} frames with one to four damages, which are flipped bits,
overwritten, cut out or inserted bytes, elements of the container (MP4 boxes, EBML elements, RIFF
chunks, TS packets, GIF blocks) removed, repeated, swapped or taken from another file, and wrong
numbers for sizes, counts, places, dimensions, time scales and durations. Each went through
`read_clips`, every {proxy_every}th also through `browser_proxy`, with a limit of {wall:g} s.

Commit {commit}, FFmpeg {ffmpeg}, PyAV {pyav}, Python {python}, Linux {kernel} ({machine}).
The children had this: {protections}.
"""

COMMIT = "COMMIT"
"""File of a run's folder that says which code it ran."""


def markdown(folder: Path, refused: Path | None) -> str:
    """The page about all finished chunks in a folder. refused: of a run that was traced for what
    the children were refused."""
    outcomes = [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    head = HEAD.format(
        commit=(folder / COMMIT).read_text().strip(),
        num_frames=NUM_FRAMES,
        proxy_every=PROXY_EVERY,
        wall=LIMITS.wall_seconds,
        ffmpeg=av.ffmpeg_version_info,
        pyav=av.__version__,
        python=platform.python_version(),
        kernel=platform.release().split("-")[0],
        machine=platform.machine(),
        protections="; ".join(sandbox.protections()),
    )
    traces = [*_traced(folder, "reached"), *(_traced(refused, "refused") if refused else ())]
    lines = [head, *_by_container(outcomes), *_by_kind(outcomes), *traces, *_found(outcomes)]
    return "\n".join(lines).rstrip() + "\n"


def _by_container(outcomes: list[dict[str, Any]]) -> list[str]:
    head = ("container", "seeds", "files", "pictures", "frames in them, of all", "a message",
            "crashes", "hangs", "other failures", "largest process", "slowest")
    rows = []
    for container in CONTAINERS:
        of = [outcome for outcome in outcomes if outcome["container"] == container]
        if not of:
            continue
        kinds = Counter(kind for outcome in of for kind in (outcome["kind"], outcome["proxy"]))
        saved = [outcome for outcome in of if outcome["kind"] == PICTURES]
        messages = sum(outcome["kind"] not in (PICTURES, *FINDINGS) for outcome in of)
        frames = sum(min(outcome["frames"], NUM_FRAMES) for outcome in saved)
        seeds = [outcome["seed"] for outcome in of]
        cells = (
            container,
            f"{min(seeds)} to {max(seeds)}",
            len(of),
            f"{len(saved)} ({len(saved) / len(of):.0%})",
            f"{frames} ({frames / (NUM_FRAMES * len(of)):.0%})",
            messages,
            kinds["crash"],
            kinds["hang"],
            kinds["failed"] + kinds["error"],
            f"{max(outcome['peak_bytes'] for outcome in of) / 1e6:.0f} MB",
            f"{max(outcome['seconds'] for outcome in of):.1f} s",
        )
        rows.append(cells)
    copies = [outcome["proxy"] for outcome in outcomes if outcome["proxy"]]
    made = copies.count(PICTURES)
    cap = LIMITS.address_space / 1e6
    return [
        table(head, rows),
        "",
        f"Of {len(copies)} copies for the browser {made} were made, the others refused or failed as"
        f" counted above. Memory is resident; the cap on addresses is {cap:.0f} MB.",
        "",
    ]


def _by_kind(outcomes: list[dict[str, Any]]) -> list[str]:
    kinds = Counter(outcome["kind"] for outcome in outcomes)
    return [table(("outcome", "files"), kinds.most_common()), ""]


def _traced(folder: Path, how: str) -> list[str]:
    children, calls = 0, Counter[str]()
    for path in sorted(folder.glob("*.reach")):
        if path.with_suffix(".jsonl").exists():
            reach = json.loads(path.read_text())
            children += reach["children"]
            calls.update(reach[how])
    if not children:
        return ["The run was not traced.", ""]
    meaning = {
        "reached": "calls of theirs that reached a file, socket, program or process beyond what"
        " they were given",
        "refused": "such calls that were tried and refused",
    }
    return [
        f"Traced with strace, {children} children: {sum(calls.values())} {meaning[how]}.",
        "",
        *(f"- {count} times `{call}`" for call, count in calls.most_common(20)),
        *([""] if calls else []),
    ]


def _found(outcomes: list[dict[str, Any]]) -> list[str]:
    return [
        f"- finding: {outcome['container']} {outcome['seed']}, {outcome['kind']}"
        f"{', copy: ' + outcome['proxy'] if outcome['proxy'] else ''}: {outcome['text']}"
        for outcome in outcomes
        if {outcome["kind"], outcome["proxy"]} & set(FINDINGS)
    ]
