"""The architecture of a network, inferred from the shapes of its tensors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dsanet_core.models.resnet import BLOCKS

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor shapes by our names."""
DEPENDENCY_BY_KERNEL = {2: "LST", 4: "LT", 3: "LS", 5: "S122"}
"""Dependency of SDA by the number of dimensions of the authors' kernel: a linear layer, a
convolution over space, over time, or over both."""


class ArchitectureError(Exception):
    """The shapes fit no network of this package. found, expected: for an error message."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found, self.expected = found, expected


@dataclass
class Architecture:
    """Architecture of a network. build, args: as of a `ModelSpec`, without what shapes do not show.

    notes: description by topic ("network", "DSA", "SDA")."""

    build: str
    args: dict[str, Any]
    num_classes: int
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def num_snippets(self) -> int | None:
        """U of DSA, None without it."""
        return self.args["dsa"]["num_snippets"] if "dsa" in self.args else None


def infer_architecture(shapes: Shapes) -> Architecture:
    """The ResNet of these shapes, with DSA or SDA. Raises ArchitectureError."""
    counts = _block_counts(shapes)
    depth = _depth(shapes, counts)
    temporal, words = _temporal_kernels(shapes)
    width = _shape(shapes, "conv1.weight", 4, 5)[0]
    build = {"none": "tsn_resnet", "i3d": "i3d_resnet", "c3d": "c3d_resnet"}[temporal]
    args: dict[str, Any] = {"depth": depth} | ({} if width == 64 else {"width": width})
    found = Architecture(build, args, _shape(shapes, "fc.weight", 2)[0])
    blocks = ", ".join(map(str, counts))
    wide = "" if width == 64 else f", {width} channels in the stem"
    found.notes["network"] = f"ResNet-{depth} (blocks {blocks}), {words}{wide}"
    _read_dsa(shapes, counts, found)
    _read_sda(shapes, found)
    return found


def _shape(shapes: Shapes, key: str, *dimensions: int) -> tuple[int, ...]:
    """Shape of a required tensor; dimensions: its permitted numbers of dimensions."""
    if key not in shapes:
        raise ArchitectureError(
            f"no tensor for {key!r}", "a complete network, including its classifier"
        )
    if len(shapes[key]) not in dimensions:
        raise ArchitectureError(
            f"{key!r} of shape {shapes[key]}", f"{' or '.join(map(str, dimensions))} dimensions"
        )
    return shapes[key]


def _block_counts(shapes: Shapes) -> tuple[int, ...]:
    """Number of residual blocks in each stage."""
    found: dict[str, set[int]] = defaultdict(set)
    for key in shapes:
        if match := re.match(r"layer(\d)\.(\d+)\.conv1\.", key):
            found[match[1]].add(int(match[2]))
    return tuple(len(found[stage]) for stage in "1234")


def _depth(shapes: Shapes, counts: tuple[int, ...]) -> int:
    deep = "layer1.0.conv3.weight" in shapes
    for depth, (block, known) in BLOCKS.items():
        if known == counts and (block.expansion == 4) is deep:
            return depth
    kind = "bottlenecks" if deep else "basic blocks"
    built = ", ".join(f"{depth} {known}" for depth, (_, known) in BLOCKS.items())
    raise ArchitectureError(f"stages of {counts} {kind}", f"a ResNet of depth {built}")


def _temporal_size(shapes: Shapes, key: str) -> int:
    shape = shapes.get(key, ())
    return shape[2] if len(shape) == 5 else 1


def _temporal_kernels(shapes: Shapes) -> tuple[str, str]:
    """Placement of temporal kernels (`models.resnet.Temporal`), and its description."""
    early = max(_temporal_size(shapes, f"layer1.0.conv{n}.weight") for n in (1, 2))
    late = max(_temporal_size(shapes, f"layer3.0.conv{n}.weight") for n in (1, 2))
    if late == 1 == early:
        return "none", "2D convolutions"
    if early == 1:
        return "i3d", f"temporal kernels of {late} in res4 and res5 (I3D, slow-only)"
    return "c3d", f"temporal kernels of {early} in every stage (C3D)"


def _read_dsa(shapes: Shapes, counts: tuple[int, ...], found: Architecture) -> None:
    blocks: dict[int, list[int]] = defaultdict(list)
    for key in shapes:
        if match := re.fullmatch(r"layer(\d)\.(\d+)\.dsa\.generate\.0\.weight", key):
            blocks[int(match[1])].append(int(match[2]))
    if not blocks:
        return
    every = next(
        (step for step in (1, 2) if all(
            sorted(places) == list(range(step - 1, counts[stage - 1], step))
            for stage, places in blocks.items()
        )), 0,
    )
    at = ", ".join(f"layer{stage}: {sorted(places)}" for stage, places in sorted(blocks.items()))
    if not every:
        raise ArchitectureError(
            f"DSA in blocks {at}", "DSA in every block of a stage, or every second"
        )
    stage, first = min((stage, min(places)) for stage, places in blocks.items())
    hidden, num_snippets = _shape(shapes, f"layer{stage}.{first}.dsa.generate.0.weight", 2)
    taps, _ = _shape(shapes, f"layer{stage}.{first}.dsa.generate.3.weight", 2)
    if hidden % num_snippets:
        raise ArchitectureError(
            f"DSA of {hidden} hidden units for {num_snippets} snippets",
            "a multiple of the snippets",
        )
    found.args["dsa"] = {
        "stages": [stage + 1 for stage in sorted(blocks)], "position": "II", "every": every,
        "num_snippets": num_snippets, "kernel_size": taps, "alpha": hidden // num_snippets,
    }
    found.notes["DSA"] = (
        f"in blocks {at}; U = {num_snippets} snippets, L = {taps} taps, "
        f"alpha = {hidden // num_snippets}"
    )


def _read_sda(shapes: Shapes, found: Architecture) -> None:
    downs = {key: shape for key, shape in shapes.items() if key.endswith(".sda.down.weight")}
    if not downs:
        return
    first = min(downs).removesuffix("down.weight")
    kernels = {
        int(match[1]): len(shape) for key, shape in shapes.items()
        if (match := re.fullmatch(re.escape(first) + r"mdm\.(\d)\.conv\.weight", key))
    }
    dependencies = [DEPENDENCY_BY_KERNEL.get(kernels[index], "?") for index in sorted(kernels)]
    if "?" in dependencies or sorted(kernels) != list(range(len(kernels))):
        raise ArchitectureError(
            f"SDA of kernels of {sorted(kernels.items())} dimensions",
            f"those of {', '.join(DEPENDENCY_BY_KERNEL.values())}",
        )
    reduced, planes = max((_shape(shapes, key, 4, 5)[:2] for key in downs), key=lambda s: s[1])
    aggregation = "sec" if first + "query" in shapes else "avg"
    found.args["sda"] = {
        "dependencies": dependencies, "reduction": planes // reduced, "aggregation": aggregation,
    }
    found.notes["SDA"] = (
        f"in {len(downs)} blocks; {', '.join(dependencies)}, "
        f"{'selected by QSA' if aggregation == 'sec' else 'averaged'}, r_c = {planes // reduced}"
    )
