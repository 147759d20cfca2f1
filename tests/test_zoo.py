"""The zoo: its rows, their names, classes, protocols and hook points."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.hooks import hook_points
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.zoo import ModelSpec, build_model, create_model, list_models, model_spec

HEAD = ["hook_features", "hook_snippet_scores"]
STAGES = ["hook_stem", "hook_res2", "hook_res3", "hook_res4", "hook_res5"]


def dsa_points(*blocks: str) -> list[str]:
    points = ("hook_descriptor", "hook_kernel")
    return [f"{block}.dsa.{point}" for block in blocks for point in points]


R18_BLOCKS = ("layer2.1", "layer3.1")
R50_BLOCKS = ("layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5")
HOOK_POINTS = {
    "i3d_r18": HEAD,
    "tsn_i3d_r18": HEAD,
    "dsa_i3d_r18": HEAD + dsa_points(*R18_BLOCKS),
    "i3d_r50": HEAD,
    "tsn_i3d_r50": HEAD,
    "dsa_i3d_r50": HEAD + dsa_points(*R50_BLOCKS),
    "dsa_i3d_r50_8x8": HEAD + dsa_points(*R50_BLOCKS),
    "i3d_synth": HEAD,
    "tsn_i3d_synth": HEAD,
    "dsa_i3d_synth": HEAD + dsa_points(*R18_BLOCKS),
}


def test_the_rows_are_these() -> None:
    assert list_models() == list(HOOK_POINTS)


@pytest.mark.parametrize("name", HOOK_POINTS)
def test_hook_points_of_a_row(name: str) -> None:
    with torch.device("meta"):
        points = hook_points(create_model(name))
    assert list(points) == HOOK_POINTS[name] + STAGES
    for path, point in points.items():
        assert point.name == path
        assert point.dims == {
            "hook_features": ("clip", "snippet", "channel"),
            "hook_snippet_scores": ("clip", "snippet", "class"),
            "hook_descriptor": ("clip", "channel", "snippet"),
            "hook_kernel": ("clip", "channel", "tap"),
            **dict.fromkeys(STAGES, ("snippet", "channel", "statistic")),
        }[path.split(".")[-1]]


@pytest.mark.parametrize("name", HOOK_POINTS)
def test_a_spec_survives_json(name: str) -> None:
    spec = model_spec(name)
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("name", HOOK_POINTS)
def test_the_consensus_is_what_the_network_holds(name: str) -> None:
    assert model_spec(name).consensus == ("dsa" if name.startswith("dsa") else "average")


@pytest.mark.parametrize("name", HOOK_POINTS)
def test_the_protocol_groups_as_many_snippets_as_the_network_takes(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name)
    group_size = network.spec.protocol.group_size
    assert group_size == (1 if name.startswith("i3d") else 4)
    assert network.num_snippets == (4 if name.startswith("dsa") else None)
    assert network.spec.protocol.sampling.num_snippets == 8


def test_the_kinetics_protocol_is_that_of_section_4_2() -> None:
    for name, frames in (("dsa_i3d_r50", 4), ("dsa_i3d_r50_8x8", 8)):
        protocol = model_spec(name).protocol
        sampling = protocol.sampling
        assert (sampling.frames_per_snippet, sampling.frame_stride) == (frames, 8)
        assert (protocol.num_groups, protocol.num_crops, protocol.resize) == (2, 3, 256)
        assert protocol.snippet_of_view[:2].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_the_embedded_rows_share_backbone_classes_and_sampling() -> None:
    rows = [model_spec(name) for name in ("i3d_synth", "tsn_i3d_synth", "dsa_i3d_synth")]
    for row in rows:
        assert row.classes == CATEGORIES
        assert row.protocol.sampling == rows[0].protocol.sampling
        assert {k: v for k, v in row.args.items() if k != "dsa"} == {
                "depth": 18, "width": 16, "dropout": 0.2,
            }


def test_the_number_of_classes_can_be_another() -> None:
    network = create_model("dsa_i3d_synth", num_classes=3)
    assert network.fc.out_features == 3
    assert network.spec.classes == ("class 0", "class 1", "class 2")
    assert model_spec("dsa_i3d_synth").classes == CATEGORIES
    assert create_model("i3d_synth", num_classes=len(CATEGORIES)).spec.classes == CATEGORIES


def test_classes_can_be_given() -> None:
    spec = replace(model_spec("tsn_i3d_synth"), classes=("yes", "no"))
    assert build_model(spec).spec.classes == ("yes", "no")


@pytest.mark.parametrize("name", HOOK_POINTS)
def test_a_state_dict_comes_back_by_name(name: str) -> None:
    with torch.device("meta"):
        network, other = create_model(name), create_model(name)
    other.load_state_dict(network.state_dict(), strict=True, assign=True)
    assert not any("hook" in key for key in network.state_dict())
    if name.startswith("dsa"):
        backbone = create_model_on_meta(name.removeprefix("dsa_").removesuffix("_8x8"))
        plain = {key for key in network.state_dict() if ".dsa.generate." not in key}
        assert plain == set(backbone.state_dict())


def create_model_on_meta(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return create_model(name)


def test_an_unknown_name_names_close_ones() -> None:
    with pytest.raises(ModelError, match=r"'dsa_r50'.*Close: dsa_i3d_r50"):
        create_model("dsa_r50")


def test_a_spec_that_is_not_understood_says_why() -> None:
    values = model_spec("i3d_synth").to_dict()
    with pytest.raises(CheckpointError, match="KeyError: 'protocol'"):
        ModelSpec.from_dict({key: v for key, v in values.items() if key != "protocol"})
    with pytest.raises(CheckpointError, match="do not divide by 3"):
        ModelSpec.from_dict(values | {"protocol": values["protocol"] | {"group_size": 3}})
    with pytest.raises(CheckpointError, match="surplus"):
        ModelSpec.from_dict(values | {"surplus": 1})
    with pytest.raises(ModelError, match="widht"):
        build_model(replace(model_spec("i3d_synth"), args={"depth": 18, "widht": 16}))
