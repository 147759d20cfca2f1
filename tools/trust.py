"""Reliability of the maps of each method, measured on benchmark videos with known truth.

    python -m tools.trust [--videos N] [NAMES]    # all embedded networks without NAMES

Every result is kept in .cache/trust/, so that a stopped run resumes. Writes
checkpoints/trust.json, which the app reads, and docs/trust.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dsanet_core import synthetic
from dsanet_core.attribution import attribute, faithfulness, randomised, rank_correlation
from dsanet_core.attribution.faithfulness import in_parts
from dsanet_core.attribution.trust import FILE, read_trust, write_trust
from dsanet_core.checkpoints import load_model, read_manifest
from dsanet_core.datasets import open_dataset
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import (
    METHOD_NAMES,
    METHODS,
    Array,
    Attribution,
    Clips,
    Method,
    Protocol,
    Rate,
    Trust,
)
from dsanet_core.synthetic.scene import Event
from dsanet_core.video import to_tensor
from tools import markdown

SEED = 8
VIDEOS, CURVE_VIDEOS, SANITY_VIDEOS = 300, 50, 20
ORDERS = 1
CELLS = 16
"""The grid on which maps are shown: finer ones are averaged to it before they point."""
COVERED = 0.9
"""An event longer than this share of the video says nothing about time."""
WRITE_EVERY = 25
FIRST = ("dsa_i3d_synth", "tsn_i3d_synth", "sda_tsn_synth", "i3d_synth", "tsn_synth")
CACHE = Path(".cache") / "trust"
PAGE = Path("docs") / "trust.md"

Result = dict[str, Any]
"""Measurements of one method on one video: pointing, timing (hit, chance) or None where there is
none; gain, random_gain and sanity of the first videos; completeness and seconds."""


def object_views(clips: Clips, masks: Array, protocol: Protocol) -> Array:
    """(views, F, side, side) bool: the objects' masks (frames of `clips`, H, W), resized and
    cropped as the network's input is."""
    pictures = np.repeat(masks[..., None].astype(np.uint8) * 255, 3, -1)
    shown = replace(clips, frames=replace(clips.frames, rgb=pictures))
    plain = replace(protocol, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    views = to_tensor(shown, plain)[:, :, 0].numpy() > 0.5
    return views.reshape(len(views), -1, *views.shape[-2:])


def pointing(attribution: Attribution, objects: Array) -> tuple[bool, float] | None:
    """True where the highest place of the map lies on an object in its frame, without tolerance,
    and the chance of a random place. The place is the middle of the highest cell; of equally high
    ones the middle one. None for maps of one place a frame."""
    if attribution.maps[0, 0].size == 1:
        return None
    maps = in_parts(attribution.maps, CELLS)
    best = np.argwhere(maps >= maps.max() - 1e-9 * abs(maps.max()))
    view, frame, row, column = best[len(best) // 2]
    y, x = (
        int((place + 0.5) * side / size)
        for place, side, size in zip(
            (row, column), objects.shape[2:], maps.shape[2:], strict=True
        )
    )
    return bool(objects[view, frame, y, x]), float(objects.mean())


def timing(
    attribution: Attribution, clips: Clips, events: Iterable[Event]
) -> tuple[bool, float] | None:
    """True where the most important frame lies in an event, and the chance of a random one.

    Where all frames of each snippet are equally important the same of snippets, which lie in an
    event with one of their frames. None where events cover the video, or no frame was seen in
    one."""
    times = clips.frame_index / (synthetic.NUM_FRAMES - 1)
    inside: Array = np.zeros(times.shape, bool)
    spans = [(event.start, event.end) for event in events]
    if sum(end - start for start, end in spans) > COVERED:
        return None
    for start, end in spans:
        inside |= (times >= start) & (times <= end)
    if not inside.any():
        return None
    shares = attribution.per_frame
    if np.ptp(shares, axis=1).max() <= 1e-6 * np.abs(shares).max():
        inside, shares = np.asarray(inside.any(1)), shares.sum(1)
    return bool(inside.flat[int(shares.argmax())]), float(inside.mean())


def measure_video(
    network: VideoNetwork, other: VideoNetwork, method: Method, index: int, clips: Clips
) -> Result:
    """Video `index` of the benchmark under a method; other: the network with random weights."""
    made = synthetic.make_video(SEED, index, frame_index=clips.frames.frame_index)
    attribution = attribute(clips, network, method, category=made.label)
    objects = object_views(clips, made.object_mask, attribution.protocol)
    result: Result = {
        "method": method,
        "video": index,
        "pointing": pointing(attribution, objects),
        "timing": timing(attribution, clips, made.events),
        "completeness": attribution.completeness_error,
        "difference": abs(attribution.score - attribution.baseline_score),
        "seconds": round(attribution.seconds, 3),
    }
    if index < CURVE_VIDEOS:
        curves = faithfulness(clips, network, attribution, orders=ORDERS)
        result |= {"gain": curves.gain, "random_gain": float(curves.random_gains.mean())}
    if index < SANITY_VIDEOS:
        blind = attribute(clips, other, method, category=made.label)
        result["sanity"] = rank_correlation(attribution.maps, blind.maps)
    return result


def measure(name: str, videos: int) -> None:
    """Measure the missing videos of one embedded network, and write all results."""
    network = load_model(name, "cpu")
    other = randomised(network)
    kept = file_of(name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    done = {(result["method"], result["video"]) for result in read_results(name)}
    dataset = open_dataset(f"synth:seed={SEED},n={videos}")
    with kept.open("a", encoding="utf-8") as log:
        for index in range(videos):
            wanted = [method for method in METHODS if (method, index) not in done]
            if wanted:
                clips = dataset.clips(index, network.spec.protocol.sampling)
                for method in wanted:
                    result = measure_video(network, other, method, index, clips)
                    log.write(json.dumps(result) + "\n")
                log.flush()
                if index % WRITE_EVERY == WRITE_EVERY - 1:
                    write(name)
                    print(f"{name}: {index + 1} videos", flush=True)
    write(name)


def file_of(name: str) -> Path:
    """The file of results of a network; other weights have another one."""
    return CACHE / f"{name}-{read_manifest()[name]['sha256'][:12]}.jsonl"


def read_results(name: str) -> list[Result]:
    path = file_of(name)
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def summarise(name: str, sha256: str, method: Method, results: list[Result]) -> Trust:
    """Results of one method as a record."""
    gains = [result for result in results if "gain" in result]
    sanity = [result["sanity"] for result in results if "sanity" in result]
    return Trust(
        model=name,
        weights_sha256=sha256,
        method=method,
        dataset=f"synth:seed={SEED},n={1 + max(result['video'] for result in results)}",
        pointing=_rate(result["pointing"] for result in results),
        timing=_rate(result["timing"] for result in results),
        gain=_mean(result["gain"] for result in gains),
        random_gain=_mean(result["random_gain"] for result in gains),
        gain_videos=len(gains),
        sanity=_mean(sanity),
        sanity_videos=len(sanity),
    )


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


def _rate(hits: Iterable[tuple[bool, float] | None]) -> Rate | None:
    known = [hit for hit in hits if hit is not None]
    if not known:
        return None
    return Rate(_mean(hit for hit, _ in known), len(known), _mean(chance for _, chance in known))


def write(name: str) -> None:
    """Write the results of one network into trust.json beside the others, and the page."""
    results = read_results(name)
    sha256 = read_manifest()[name]["sha256"]
    new = [
        summarise(name, sha256, method, of)
        for method in METHODS
        if (of := [result for result in results if result["method"] == method])
    ]
    known = [trust for trust in read_trust(FILE) if trust.model != name] + new
    order = [*FIRST, *read_manifest()]
    write_trust(FILE, sorted(known, key=lambda trust: order.index(trust.model)))
    PAGE.write_text(page(read_trust(FILE)), encoding="utf-8")


def table(measured: Iterable[Trust]) -> str:
    """Markdown: a row per network and method."""
    head = ("model", "method", "points at the object (chance)",
            "most important moment in the event (chance)", "insertion minus deletion (random)",
            "rank correlation with random weights")
    rows = []
    for trust in measured:
        cells = [f"`{trust.model}`", METHOD_NAMES[trust.method]]
        for rate in (trust.pointing, trust.timing):
            known = rate and f"{rate.rate:.1%} of {rate.videos} ({rate.chance:.1%})"
            cells.append(known or "no grid")
        cells.append(
            f"{trust.gain:.3f} ({trust.random_gain:.3f})"
            + ("" if trust.is_offered else ", not offered")
        )
        rows.append([*cells, f"{trust.sanity:.2f}"])
    return markdown.table(head, rows)


def page(measured: tuple[Trust, ...]) -> str:
    """Text of docs/trust.md."""
    parts = [
        "# Reliability of attributions",
        "Written by `python -m tools.trust` from `checkpoints/trust.json`.",
        f"Measured on unseen videos of the embedded benchmark (seed {SEED}), whose generator knows "
        "the position of the objects and the time of the events. The true class's logit of the "
        "whole video is explained. The baseline and the grid of each map were chosen on other "
        "videos.",
        "\n".join(
            [
                "- **Points at the object**: the maximum of the map is on a visible pixel of an "
                "object that defines the class, in that frame, resized and cropped like the "
                "model's input, without tolerance. Fine maps are averaged to the "
                f"{CELLS} x {CELLS} cells in which they are shown, and the centre of the highest "
                "cell counts. Chance: the objects' mean share of the pixels. (After Zhang et al., "
                "2018.)",
                "- **Most important moment in the event**: the frame with the largest share is "
                "within an event of the class; for methods that do not distinguish the frames of "
                "a snippet, the snippet with the largest share contains such a frame. Only videos "
                f"whose events take at most {COVERED:.0%} of the time. Chance: the share of frames "
                "or snippets for which this holds.",
                f"- **Insertion minus deletion**: difference of the areas under the two curves "
                f"(Petsiuk et al., 2018), mean over the first {CURVE_VIDEOS} videos at most; "
                "random: the same parts in random order. Each method ranks its own parts, so "
                "compare it with its random order only. A method that is not above random is not "
                "offered for that model.",
                "- **Rank correlation with random weights**: Spearman's correlation of the map "
                "with the map of the same model before training (Adebayo et al., 2018), mean over "
                f"the first {SANITY_VIDEOS} videos at most; it should be near 0.",
            ]
        ),
        table(measured),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=VIDEOS)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    for name in args.names or list(dict.fromkeys([*FIRST, *read_manifest()])):
        measure(name, args.videos)
    print(table(read_trust(FILE)))


if __name__ == "__main__":
    main()
