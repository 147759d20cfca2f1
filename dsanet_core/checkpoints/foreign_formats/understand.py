"""What network a checkpoint of a public code holds, and which of its tensors goes where.

Every tensor is accounted for: taken, left for a reason, or the file is refused. What neither names
nor shapes show (frames, stride, a shift of features, beta) comes from the user, else from the
file's own words or its name, else from the format's usual case; the account says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from dsanet_core.checkpoints.contents import Contents, refusal
from dsanet_core.checkpoints.foreign_formats.formats import FORMATS, Format
from dsanet_core.checkpoints.foreign_formats.labels import read_classes
from dsanet_core.checkpoints.foreign_formats.shapes import (
    Network,
    UnknownError,
    read_network,
)
from dsanet_core.errors import CheckpointError
from dsanet_core.records import Protocol, Sampling
from dsanet_core.zoo import ModelSpec, list_models, model_spec
from dsanet_core.zoo.protocols import something_something
from dsanet_core.zoo.rows import unnamed

WRAPPER = "module."
"""What DataParallel puts before every name."""
SHOWN = 3
"""Names that a message lists."""
USUAL_FRAMES = 8
USUAL_BETA = 1 / 8
_DENSE = re.compile(r"(?<![\dx])(4|8|16|32|64)x(1|2|4|8|16)(?!\d)")
_SPARSE = re.compile(r"1x1x(\d{1,2})(?!\d)|segment_?(\d{1,2})(?!\d)|(?<!\d)(\d{1,2})f(?![a-z])")
_WORDS = {"tsn_resnet": "2D", "i3d_resnet": "I3D", "c3d_resnet": "C3D"}
_SHORT = {"tsn_resnet": "tsn", "i3d_resnet": "i3d", "c3d_resnet": "c3d"}


@dataclass(frozen=True)
class Choices:
    """What the user knows of a checkpoint; None leaves it to the file and its format.

    frames: T of a snippet, or frames of a clip for networks of single frames (TSN, TSM, SDA);
    stride: between the frames of a snippet. shift: whether features are shifted in time (TSM).
    beta: share of channels that DSA aggregates. classes: as `read_classes`.
    """

    frames: int | None = None
    stride: int | None = None
    shift: bool | None = None
    beta: float | None = None
    classes: str | None = None


NO_CHOICES = Choices()


@dataclass(frozen=True)
class Understood:
    """names: theirs -> ours, of every tensor that is taken. account: what was understood, as rows
    of (what, how); rows called "assumed" are what nobody said."""

    format: str
    spec: ModelSpec
    names: Mapping[str, str]
    account: tuple[tuple[str, str], ...]


def understand(contents: Contents, name: str, choices: Choices = NO_CHOICES) -> Understood | None:
    """None for a file of no known format. name: of the file, which may say something too.

    Raises CheckpointError for tensors that the format's networks here do not have, for a network
    that is not built here, and for choices that do not fit.
    """
    wrapped = all(key.startswith(WRAPPER) for key in contents.places)
    bare = {key: key.removeprefix(WRAPPER) if wrapped else key
            for key in (*contents.places, *contents.others)}
    form = next((form for form in FORMATS if any(re.match(form.mark, k) for k in bare.values())),
                None)
    if form is None:
        return None
    names, left = _sort(bare, form, name)
    names = {theirs: ours for theirs, ours in names.items() if theirs in contents.places}
    shapes = {ours: contents.places[theirs].shape for theirs, ours in names.items()}
    try:
        network = read_network(shapes)
    except UnknownError as error:
        raise refusal(name, f"({form.name}) has {error.found}", error.expected,
                      "Such a network is not built here.") from error
    if form.pools_2d and network.build == "tsn_resnet":
        raise refusal(name, f"({form.name}) has 2D convolutions alone", "a Slow network",
                      "C2D of this code pools time between stages; such a network is not built "
                      "here.")
    assumed: list[str] = []
    _add_unseen(network, form, name.lower(), set(bare.values()), choices, assumed)
    protocol, seen = _protocol(network, form, contents, name, choices, assumed)
    classes, order = _classes(network, form, contents, choices, name, assumed)
    spec = _spec(network, form, protocol, classes)
    renamed = sum(theirs != ours for theirs, ours in names.items())
    account = [
        ("format", f"{form.name} ({form.source})"),
        *network.facts.items(),
        ("tensors", f"{len(names)} taken, {renamed} of them under another name" + "".join(
            f"; {len(keys)} left: {why}" for why, keys in left.items())),
        ("sees", f"{protocol.describe()} ({seen})"),
        ("normalised", _numbers(protocol)),
        ("classes", f"{len(classes)}, {order}"),
        *((("published", f"accuracies of this format are usually of {form.views}"),)
          if form.views else ()),
        *(("assumed", text) for text in assumed),
    ]
    return Understood(form.name, spec, names, tuple(account))


def _sort(
    bare: Mapping[str, str], form: Format, name: str
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Theirs -> ours, and what is left by reason. Raises CheckpointError for all else."""
    names: dict[str, str] = {}
    left: dict[str, list[str]] = {}
    unknown = []
    for theirs, key in bare.items():
        if ours := form.ours(key):
            names[theirs] = ours
        elif why := form.why_ignored(key):
            left.setdefault(why, []).append(theirs)
        else:
            unknown.append(theirs)
    if unknown:
        two = any("pathway1" in key or "multipathway" in key for key in unknown)
        listed = ", ".join(repr(key[:80]) for key in unknown[:SHOWN])
        raise refusal(
            name, f"({form.name}) has {len(unknown)} tensors that no network here has, first "
            + listed, "a ResNet of one pathway" if two else "a ResNet, with DSA or SDA inside or "
            "without, and no other modules", "Such a network is not built here.",
        )
    if len(set(names.values())) < len(names):
        twice = next(o for o in names.values() if list(names.values()).count(o) > 1)
        raise refusal(name, f"({form.name}) has two tensors for {twice!r}", "one for each",
                      "Save the network's state dict anew.")
    return names, left


def _add_unseen(
    network: Network, form: Format, name: str, keys: set[str], choices: Choices, assumed: list[str]
) -> None:
    """Parts without parameters, and numbers that no shape shows."""
    if "dsa" in network.args:
        network.args["dsa"]["beta"] = choices.beta or USUAL_BETA
        if choices.beta is None:
            assumed.append("DSA on beta = 1/8 of the channels, in position II, as in the paper: "
                           "neither shows in the tensors (--beta)")
    if _sees_single_frames(network):
        network.args["axis"] = "clip"
    if network.build != "tsn_resnet":
        return
    shift = any(".net." in key for key in keys)
    if not shift and "base_model" in form.mark:
        shift = "tsm" in name if choices.shift is None else choices.shift
        if choices.shift is None:
            found = "a shift, as the file's name says TSM" if shift else "no temporal shift"
            assumed.append(f"{found}: where this code shifts, the tensors do not show it "
                           "(--shift, --no-shift)")
    elif choices.shift is not None:
        shift = choices.shift
    if not shift and form.name == "MMAction2":
        assumed.append("a TSN: C2D of MMAction2, which pools over time, has the same tensors")
    if shift:
        network.args["shift"] = {}
        network.facts["network"] += " with temporal shift (TSM)"


def _sees_single_frames(network: Network) -> bool:
    """Whether its snippets are single frames, spread over the video (TSN, TSM, SDA, C3D there)."""
    return network.build != "i3d_resnet" and "dsa" not in network.args


def _protocol(
    network: Network, form: Format, contents: Contents, name: str, choices: Choices,
    assumed: list[str],
) -> tuple[Protocol, str]:
    """The test protocol, and where its numbers come from."""
    single = _sees_single_frames(network)
    frames, stride, source = _said(contents, name.lower(), single)
    if choices.frames or choices.stride:
        source = "as chosen"
    elif not source:
        source = "the usual case"
        assumed.append(f"{USUAL_FRAMES} frames" + (
            "" if single else f" with stride {USUAL_FRAMES} in a snippet"
        ) + ": the tensors are the same for any number (--frames, --stride)")
    frames = choices.frames or frames or USUAL_FRAMES
    stride = choices.stride or stride or USUAL_FRAMES
    mean, std = ((a, b, c) for a, b, c in form.normalisation)
    if single:
        protocol = something_something(frames)
    else:
        group = network.num_snippets or 1
        protocol = Protocol(
            Sampling(2 * group if group > 1 else 10, frames, stride), group, num_crops=3,
            resize=256, crop=256, mean=mean, std=std,
        )
    return replace(protocol, mean=mean, std=std), source


def _said(contents: Contents, name: str, single: bool) -> tuple[int | None, int | None, str]:
    """Frames and stride that the file itself or its name says, and which of them did."""
    config = str(contents.said.get("cfg", ""))
    told = {key: re.search(rf"^\s*{key}: (\d{{1,3}})\s*$", config, re.MULTILINE)
            for key in ("NUM_FRAMES", "SAMPLING_RATE")}
    frames, stride = told["NUM_FRAMES"], told["SAMPLING_RATE"]
    if frames and stride and int(frames[1]) and int(stride[1]):
        return int(frames[1]), int(stride[1]), "as the configuration in the file says"
    if single and (match := _SPARSE.search(name)):
        count = int(next(group for group in match.groups() if group))
        return (count, 1, "as the file's name says") if count else (None, None, "")
    if not single and (match := _DENSE.search(name)):
        return int(match[1]), int(match[2]), "as the file's name says"
    return None, None, ""


def _classes(
    network: Network, form: Format, contents: Contents, choices: Choices, name: str,
    assumed: list[str],
) -> tuple[tuple[str, ...], str]:
    """Names of the outputs, and where they come from."""
    count = network.num_classes
    if choices.classes is not None:
        classes = read_classes(choices.classes, sorted_labels=form.sorted_labels)
        if len(classes) != count:
            raise CheckpointError(
                f"{len(classes)} class names of {choices.classes!r} for the {count} outputs of "
                f"{name}", f"{count} names", "Are they of another data set, or with a head line?",
            )
        return classes, f"named by {choices.classes}"
    said = contents.said.get("classes", ())
    if len(said) == count:
        return tuple(said), "as the file names them"
    if count == 400:
        assumed.append("the 400 outputs are the categories of Kinetics-400 in alphabetical order "
                       "(--classes)")
        return read_classes("kinetics400"), "those of Kinetics-400"
    if count == 1000 and network.build == "tsn_resnet":
        assumed.append("the 1000 outputs are the categories of ImageNet (--classes)")
        return _imagenet(), "those of ImageNet"
    assumed.append(f"the {count} outputs have no names: give them (--classes)")
    return unnamed(count), "without names"


def _imagenet() -> tuple[str, ...]:
    """Some of ImageNet's categories share a name, such as "crane": those get their number."""
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(
        f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names)
    )


def _spec(
    network: Network, form: Format, protocol: Protocol, classes: tuple[str, ...]
) -> ModelSpec:
    """The row of the zoo where there is one like it, else one of its own."""
    same = partial(_is_like, network, protocol)
    own = _own_name(network, protocol)
    name = next((row for row in list_models() if same(model_spec(row))), own)
    inside = [word for key, word in (("shift", "temporal shift"), ("dsa", "DSA"), ("sda", "SDA"))
              if key in network.args]
    words = f"{_WORDS[network.build]} ResNet-{network.args['depth']}" + "".join(
        f"{' with' if at == 0 else ' and'} {word}" for at, word in enumerate(inside))
    return ModelSpec(
        name=name, build=network.build, protocol=protocol, classes=classes, args=network.args,
        description=f"{words}, weights of {form.name}", reference=form.source,
    )


def _is_like(network: Network, protocol: Protocol, row: ModelSpec) -> bool:
    sampling, other = protocol.sampling, row.protocol.sampling
    return (row.build, row.args, row.protocol.group_size) == (
        network.build, network.args, protocol.group_size
    ) and (sampling.frames_per_snippet, sampling.frame_stride) == (
        other.frames_per_snippet, other.frame_stride
    )


def _own_name(network: Network, protocol: Protocol) -> str:
    parts = [part for part in ("dsa", "sda") if part in network.args]
    base = "tsm" if "shift" in network.args else _SHORT[network.build]
    sampling = protocol.sampling
    shown = f"{sampling.frames_per_snippet}x{sampling.frame_stride}"
    if sampling.frames_per_snippet == 1:
        shown = f"{protocol.group_size}f"
    return "_".join([*parts, base, f"r{network.args['depth']}", shown])


def _numbers(protocol: Protocol) -> str:
    mean, std = (", ".join(f"{n:.3g}" for n in each) for each in (protocol.mean, protocol.std))
    return f"RGB of 0 to 1, mean {mean}, deviation {std}"
