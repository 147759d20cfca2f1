"""The networks this package knows: a table of rows, each holding all that must travel with weights.

A model is a row, not a branch: builder and arguments, the protocol that turns a video into its
input, and its class names. Reference: DSANet (Wu et al., 2021), Table 1 and section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.models.dsa import insert_dsa
from dsanet_core.models.resnet import I3DResNet
from dsanet_core.records import Protocol, Sampling


@dataclass(frozen=True)
class ModelSpec:
    """One network: what builds it, how a video becomes its input, what its outputs are called.

    build: key of `BUILDERS`; args: the builder's keyword arguments, JSON values only.
    protocol: the test protocol; its group_size is the U of one forward.
    """

    name: str
    build: str
    protocol: Protocol
    classes: tuple[str, ...]
    args: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    reference: str = ""

    @property
    def consensus(self) -> str:
        """"dsa" if snippets are aggregated inside the network, "average" if only scores are."""
        return "dsa" if self.args.get("dsa") is not None else "average"

    def to_dict(self) -> dict[str, Any]:
        """JSON values, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Inverse of `to_dict`, also after a trip through JSON. Raises CheckpointError."""
        try:
            protocol = dict(values["protocol"])
            protocol["sampling"] = Sampling(**protocol["sampling"])
            protocol["mean"], protocol["std"] = tuple(protocol["mean"]), tuple(protocol["std"])
            fields = dict(values) | {
                "protocol": Protocol(**protocol),
                "classes": tuple(str(name) for name in values["classes"]),
            }
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"model spec is not understood ({type(error).__name__}: {error})",
                "the fields of ModelSpec as to_dict() writes them",
                "Save the checkpoint again with this version.",
            ) from error


def i3d_resnet(
    num_classes: int,
    *,
    depth: int,
    width: int = 64,
    dropout: float = 0.5,
    dsa: Mapping[str, Any] | None = None,
) -> I3DResNet:
    """Slow-only I3D ResNet; dsa: keyword arguments of `insert_dsa`, None for plain averaging."""
    network = I3DResNet(depth, num_classes, width=width, dropout=dropout)
    if dsa is not None:
        insert_dsa(network, **dsa)
    return network


BUILDERS: dict[str, Callable[..., VideoNetwork]] = {"i3d_resnet": i3d_resnet}


def build_model(spec: ModelSpec) -> VideoNetwork:
    """The network of a row with random weights, in training mode, `.spec` set."""
    try:
        network = BUILDERS[spec.build](len(spec.classes), **spec.args)
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"builder {spec.build!r} with {spec.args} ({error})",
            f"one of {sorted(BUILDERS)} and arguments it takes",
            "Was this spec written by a newer version?",
        ) from error
    network.spec = spec
    return network


def list_models() -> list[str]:
    """Names of all rows of the zoo."""
    return list(_table())


def model_spec(name: str) -> ModelSpec:
    """The row of that name. Raises ModelError, with the closest names, if there is none."""
    table = _table()
    if name not in table:
        close = get_close_matches(name, table, n=3, cutoff=0) or list(table)
        raise ModelError(f"no model {name!r}", "a name of the zoo", f"Close: {', '.join(close)}.")
    return table[name]


def create_model(name: str, num_classes: int | None = None) -> VideoNetwork:
    """The network of a zoo row with random weights.

    num_classes: another number of outputs than the row's; they are called "class 0", ...
    """
    spec = model_spec(name)
    if num_classes is not None and num_classes != len(spec.classes):
        spec = replace(spec, classes=_unnamed(num_classes))
    return build_model(spec)


def _unnamed(count: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(count))


def _kinetics_protocol(group_size: int, frames: int) -> Protocol:
    """Section 4.2: stride 8, 8 snippets (2 groups of 4), 3 crops of short side 256.

    The crops are 256 square, as in the authors' test configuration; the papers' multiply-adds are
    those of 224. Mean and standard deviation are ImageNet's."""
    return Protocol(
        sampling=Sampling(num_snippets=8, frames_per_snippet=frames, frame_stride=8),
        group_size=group_size,
        num_crops=3,
        resize=256,
        crop=256,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def _synth_protocol(group_size: int) -> Protocol:
    return Protocol(
        sampling=Sampling(num_snippets=8, frames_per_snippet=4, frame_stride=4),
        group_size=group_size,
        num_crops=1,
        resize=72,
        crop=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


_DSA = {"stages": [3, 4], "position": "II", "every": 2, "num_snippets": 4}
_DSA_PAPER = _DSA | {"kernel_size": 3, "alpha": 2, "beta": 1 / 8}
# A quarter of the paper's channels: beta 1/8 would aggregate 4 and 8 of them only.
_DSA_SYNTH = _DSA | {"kernel_size": 3, "alpha": 2, "beta": 1 / 2}


@cache
def _table() -> dict[str, ModelSpec]:
    return {spec.name: spec for spec in (*_kinetics_rows(), *_synth_rows())}


def _kinetics_rows() -> list[ModelSpec]:
    def row(name: str, depth: int, group_size: int, description: str, **more: Any) -> ModelSpec:
        frames = more.pop("frames", 4)
        return ModelSpec(
            name=name,
            build="i3d_resnet",
            args={"depth": depth, **more},
            protocol=_kinetics_protocol(group_size, frames),
            classes=_unnamed(400),
            description=description,
            reference="DSANet (Wu et al., 2021), Tables 1, 2 and 4",
        )

    rows = []
    for depth in (18, 50):
        net = f"I3D ResNet-{depth}"
        rows += [
            row(f"i3d_r{depth}", depth, 1, f"{net}, trained on one snippet, scores averaged"),
            row(f"tsn_i3d_r{depth}", depth, 4, f"{net}, trained on 4 snippets, scores averaged"),
            row(f"dsa_i3d_r{depth}", depth, 4, f"{net} with DSA in res3 and res4", dsa=_DSA_PAPER),
        ]
    eight = "I3D ResNet-50 with DSA in res3 and res4, 8 frames per snippet"
    return [*rows, row("dsa_i3d_r50_8x8", 50, 4, eight, dsa=_DSA_PAPER, frames=8)]


def _synth_rows() -> list[ModelSpec]:
    from dsanet_core.synthetic import CATEGORIES  # draws videos: needs OpenCV

    def row(name: str, group_size: int, description: str, **more: Any) -> ModelSpec:
        return ModelSpec(
            name=name,
            build="i3d_resnet",
            args={"depth": 18, "width": 16, "dropout": 0.2, **more},
            protocol=_synth_protocol(group_size),
            classes=CATEGORIES,
            description=f"I3D ResNet-18 of width 16 {description}",
            reference="the embedded benchmark (dsanet_core.synthetic)",
        )

    return [
        row("i3d_synth", 1, "trained on one snippet, scores averaged"),
        row("tsn_i3d_synth", 4, "trained on 4 snippets, scores averaged"),
        row("dsa_i3d_synth", 4, "with DSA in res3 and res4", dsa=_DSA_SYNTH),
    ]
