"""The spec of a foreign checkpoint, and the mapping of its tensor names to ours.

Every tensor is either mapped, ignored for a stated reason, or the file is refused. Settings that
neither names nor shapes show (frames, stride, temporal shift, beta) come from the user, else from
the configuration in the file or its name, else from the default of the format; import notes record
which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from dsanet_core.checkpoints.foreign_formats.architecture import (
    Architecture,
    ArchitectureError,
    infer_architecture,
)
from dsanet_core.checkpoints.foreign_formats.formats import FORMATS, Format
from dsanet_core.checkpoints.foreign_formats.labels import read_classes
from dsanet_core.checkpoints.header import Header, refusal
from dsanet_core.errors import CheckpointError
from dsanet_core.records import Protocol, Sampling
from dsanet_core.zoo import ModelSpec, list_models, model_spec
from dsanet_core.zoo.rows import placeholder_classes, something_something

DATA_PARALLEL_PREFIX = "module."
MAX_NAMES_SHOWN = 3
"""Tensor names in an error message."""
DEFAULT_FRAMES = 8
DEFAULT_BETA = 1 / 8
_DENSE = re.compile(r"(?<![\dx])(4|8|16|32|64)x(1|2|4|8|16)(?!\d)")
_SPARSE = re.compile(r"1x1x(\d{1,2})(?!\d)|segment_?(\d{1,2})(?!\d)|(?<!\d)(\d{1,2})f(?![a-z])")
_FAMILY = {"tsn_resnet": "2D", "i3d_resnet": "I3D", "c3d_resnet": "C3D"}
_PREFIX = {"tsn_resnet": "tsn", "i3d_resnet": "i3d", "c3d_resnet": "c3d"}


@dataclass(frozen=True)
class Choices:
    """Settings of a foreign checkpoint given by the user; None: from the file and its format.

    frames: T of a snippet, or frames of a clip for networks on single frames (TSN, TSM, SDA).
    stride: between the frames of a snippet. shift: temporal shift of features (TSM). beta: share of
    channels that DSA aggregates. classes: argument of `read_classes`.
    """

    frames: int | None = None
    stride: int | None = None
    shift: bool | None = None
    beta: float | None = None
    classes: str | None = None


NO_CHOICES = Choices()


@dataclass(frozen=True)
class ForeignCheckpoint:
    """Interpretation of a foreign checkpoint. key_map: their tensor name -> ours, without ignored
    tensors. notes: rows of (topic, text) on what was detected; topic "assumed" marks defaults."""

    format: str
    spec: ModelSpec
    key_map: Mapping[str, str]
    notes: tuple[tuple[str, str], ...]


def interpret(
    header: Header, name: str, choices: Choices = NO_CHOICES
) -> ForeignCheckpoint | None:
    """Interpret a checkpoint of another code base; None if its format is unknown.

    name: of the file, a hint on frames and stride.

    Raises CheckpointError for unknown tensors, an unsupported network, and choices that do not fit.
    """
    wrapped = all(key.startswith(DATA_PARALLEL_PREFIX) for key in header.places)
    bare = {key: key.removeprefix(DATA_PARALLEL_PREFIX) if wrapped else key
            for key in (*header.places, *header.non_tensors)}
    form = next(
        (form for form in FORMATS if any(re.match(form.signature, key) for key in bare.values())),
        None,
    )
    if form is None:
        return None
    key_map, ignored = _map_keys(bare, form, name)
    key_map = {theirs: ours for theirs, ours in key_map.items() if theirs in header.places}
    shapes = {ours: header.places[theirs].shape for theirs, ours in key_map.items()}
    try:
        network = infer_architecture(shapes)
    except ArchitectureError as error:
        raise refusal(name, f"({form.name}) has {error.found}", error.expected,
                      "Such a network is not built here.") from error
    if form.pools_2d and network.build == "tsn_resnet":
        raise refusal(name, f"({form.name}) has 2D convolutions alone", "a Slow network",
                      "C2D of this code pools time between stages; such a network is not built "
                      "here.")
    assumed: list[str] = []
    _add_undetectable(network, form, name.lower(), set(bare.values()), choices, assumed)
    protocol, origin = _protocol(network, form, header, name, choices, assumed)
    classes, order = _classes(network, form, header, choices, name, assumed)
    renamed = sum(theirs != ours for theirs, ours in key_map.items())
    notes = [
        ("format", f"{form.name} ({form.source})"),
        *network.notes.items(),
        ("tensors", f"{len(key_map)} loaded, {renamed} of them under another name" + "".join(
            f"; {len(keys)} ignored: {reason}" for reason, keys in ignored.items())),
        ("input", f"{protocol.describe()} ({origin})"),
        ("normalised", _describe_normalisation(protocol)),
        ("classes", f"{len(classes)}, {order}"),
        *((("published", f"accuracies of this format are usually of {form.views}"),)
          if form.views else ()),
        *(("assumed", text) for text in assumed),
    ]
    return ForeignCheckpoint(
        form.name, _spec(network, form, protocol, classes), key_map, tuple(notes)
    )


def _map_keys(
    bare: Mapping[str, str], form: Format, name: str
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(their name -> ours, ignored names by reason). bare: their name -> that without a prefix.

    Raises CheckpointError for an unknown name, and for two tensors of one name of ours.
    """
    key_map: dict[str, str] = {}
    ignored: dict[str, list[str]] = {}
    unknown = []
    for theirs, key in bare.items():
        if ours := form.translate(key):
            key_map[theirs] = ours
        elif reason := form.ignored_reason(key):
            ignored.setdefault(reason, []).append(theirs)
        else:
            unknown.append(theirs)
    if unknown:
        two = any("pathway1" in key or "multipathway" in key for key in unknown)
        listed = ", ".join(repr(key[:80]) for key in unknown[:MAX_NAMES_SHOWN])
        raise refusal(
            name, f"({form.name}) has {len(unknown)} tensors that no network here has, first "
            + listed, "a ResNet of one pathway" if two else "a ResNet, with DSA or SDA inside or "
            "without, and no other modules", "Such a network is not built here.",
        )
    if len(set(key_map.values())) < len(key_map):
        twice = next(o for o in key_map.values() if list(key_map.values()).count(o) > 1)
        raise refusal(name, f"({form.name}) has two tensors for {twice!r}", "one for each",
                      "Save the network's state dict again.")
    return key_map, ignored


def _add_undetectable(
    network: Architecture, form: Format, name: str, keys: set[str], choices: Choices,
    assumed: list[str],
) -> None:
    """Add parts without parameters, and numbers that no shape shows, to the arguments."""
    if "dsa" in network.args:
        network.args["dsa"]["beta"] = choices.beta or DEFAULT_BETA
        if choices.beta is None:
            assumed.append("DSA on beta = 1/8 of the channels, in position II, as in the paper: "
                           "neither shows in the tensors (--beta)")
    if _takes_single_frames(network):
        network.args["axis"] = "clip"
    if network.build != "tsn_resnet":
        return
    shift = any(".net." in key for key in keys)
    if not shift and "base_model" in form.signature:
        shift = "tsm" in name if choices.shift is None else choices.shift
        if choices.shift is None:
            guess = "a shift, as the file name contains TSM" if shift else "no temporal shift"
            assumed.append(f"{guess}: where this code shifts, the tensors do not show it "
                           "(--shift, --no-shift)")
    elif choices.shift is not None:
        shift = choices.shift
    if not shift and form.name == "MMAction2":
        assumed.append("a TSN: C2D of MMAction2, which pools over time, has the same tensors")
    if shift:
        network.args["shift"] = {}
        network.notes["network"] += " with temporal shift (TSM)"


def _takes_single_frames(network: Architecture) -> bool:
    """True if its snippets are single frames spread over the video (TSN, TSM, SDA, C3D)."""
    return network.build != "i3d_resnet" and "dsa" not in network.args


def _protocol(
    network: Architecture, form: Format, header: Header, name: str, choices: Choices,
    assumed: list[str],
) -> tuple[Protocol, str]:
    """(test protocol, origin of its frames and stride in words)."""
    single = _takes_single_frames(network)
    frames, stride, origin = _sampling_in_file(header, name.lower(), single)
    if choices.frames or choices.stride:
        origin = "as chosen"
    elif not origin:
        origin = "the default"
        assumed.append(f"{DEFAULT_FRAMES} frames" + (
            "" if single else f" with stride {DEFAULT_FRAMES} in a snippet"
        ) + ": the tensors are the same for any number (--frames, --stride)")
    frames = choices.frames or frames or DEFAULT_FRAMES
    stride = choices.stride or stride or DEFAULT_FRAMES
    mean, std = ((a, b, c) for a, b, c in form.normalisation)
    if single:
        protocol = something_something(frames)
    else:
        group = network.num_snippets or 1
        protocol = Protocol(
            Sampling(2 * group if group > 1 else 10, frames, stride), group, num_crops=3,
            resize=256, crop=256, mean=mean, std=std,
        )
    return replace(protocol, mean=mean, std=std), origin


def _sampling_in_file(
    header: Header, name: str, single: bool
) -> tuple[int | None, int | None, str]:
    """(frames, stride, their origin) from the configuration in the file, else from its name."""
    config = str(header.info.get("cfg", ""))
    match = {key: re.search(rf"^\s*{key}: (\d{{1,3}})\s*$", config, re.MULTILINE)
            for key in ("NUM_FRAMES", "SAMPLING_RATE")}
    frames, stride = match["NUM_FRAMES"], match["SAMPLING_RATE"]
    if frames and stride and int(frames[1]) and int(stride[1]):
        return int(frames[1]), int(stride[1]), "from the configuration in the file"
    if single and (found := _SPARSE.search(name)):
        count = int(next(group for group in found.groups() if group))
        return (count, 1, "from the file name") if count else (None, None, "")
    if not single and (found := _DENSE.search(name)):
        return int(found[1]), int(found[2]), "from the file name"
    return None, None, ""


def _classes(
    network: Architecture, form: Format, header: Header, choices: Choices, name: str,
    assumed: list[str],
) -> tuple[tuple[str, ...], str]:
    """(names of the outputs, their origin in words)."""
    count = network.num_classes
    if choices.classes is not None:
        classes = read_classes(choices.classes, sorted_labels=form.sorted_labels)
        if len(classes) != count:
            raise CheckpointError(
                f"{len(classes)} class names of {choices.classes!r} for the {count} outputs of "
                f"{name}", f"{count} names", "Are they of another dataset, or with a header line?",
            )
        return classes, f"named by {choices.classes}"
    names = header.info.get("classes", ())
    if len(names) == count:
        return tuple(names), "as named in the file"
    if count == 400:
        assumed.append("the 400 outputs are the classes of Kinetics-400 in alphabetical order "
                       "(--classes)")
        return read_classes("kinetics400"), "those of Kinetics-400"
    if count == 1000 and network.build == "tsn_resnet":
        assumed.append("the 1000 outputs are the classes of ImageNet (--classes)")
        return _imagenet(), "those of ImageNet"
    assumed.append(f"the {count} outputs have no names: give them (--classes)")
    return placeholder_classes(count), "without names"


def _imagenet() -> tuple[str, ...]:
    """ImageNet's class names; those that occur twice, such as "crane", get their index."""
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(
        f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names)
    )


def _spec(
    network: Architecture, form: Format, protocol: Protocol, classes: tuple[str, ...]
) -> ModelSpec:
    """The spec, called like the row of the zoo with the same network, if there is one."""
    same = partial(_is_same_network, network, protocol)
    own = _new_name(network, protocol)
    name = next((row for row in list_models() if same(model_spec(row))), own)
    inside = [word for key, word in (("shift", "temporal shift"), ("dsa", "DSA"), ("sda", "SDA"))
              if key in network.args]
    words = f"{_FAMILY[network.build]} ResNet-{network.args['depth']}" + "".join(
        f"{' with' if at == 0 else ' and'} {word}" for at, word in enumerate(inside))
    return ModelSpec(
        name=name, build=network.build, protocol=protocol, classes=classes, args=network.args,
        description=f"{words}, weights of {form.name}", reference=form.source,
    )


def _is_same_network(network: Architecture, protocol: Protocol, row: ModelSpec) -> bool:
    sampling, other = protocol.sampling, row.protocol.sampling
    return (row.build, row.args, row.protocol.group_size) == (
        network.build, network.args, protocol.group_size
    ) and (sampling.frames_per_snippet, sampling.frame_stride) == (
        other.frames_per_snippet, other.frame_stride
    )


def _new_name(network: Architecture, protocol: Protocol) -> str:
    parts = [part for part in ("dsa", "sda") if part in network.args]
    base = "tsm" if "shift" in network.args else _PREFIX[network.build]
    sampling = protocol.sampling
    shown = f"{sampling.frames_per_snippet}x{sampling.frame_stride}"
    if sampling.frames_per_snippet == 1:
        shown = f"{protocol.group_size}f"
    return "_".join([*parts, base, f"r{network.args['depth']}", shown])


def _describe_normalisation(protocol: Protocol) -> str:
    mean, std = (", ".join(f"{n:.3g}" for n in each) for each in (protocol.mean, protocol.std))
    return f"RGB of 0 to 1, mean {mean}, deviation {std}"
