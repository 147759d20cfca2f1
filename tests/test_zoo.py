"""The zoo: its rows, their names, classes, protocols and hook points."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from dsanet_core.errors import CheckpointError, ModelError
from dsanet_core.hooks import hook_points
from dsanet_core.models.base import VideoNetwork
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.zoo import (
    SNIPPET_MIXING,
    ModelSpec,
    build_model,
    create_model,
    list_models,
    model_spec,
)

HEAD = ["hook_features", "hook_snippet_scores"]
STAGES = ["hook_stem", "hook_res2", "hook_res3", "hook_res4", "hook_res5"]


def dsa_points(*blocks: str) -> list[str]:
    points = ("hook_descriptor", "hook_kernel")
    return [f"{block}.dsa.{point}" for block in blocks for point in points]


def sda_points(*counts: int, dependencies: int = 4) -> list[str]:
    """SDA in every block of stages with so many blocks."""
    points = [f"mdm.{place}.hook_response" for place in range(dependencies)]
    points += ["hook_dependency_weights", "hook_gate", "hook_average_gate"]
    return [
        f"layer{stage}.{block}.sda.{point}"
        for stage, count in enumerate(counts, 1)
        for block in range(count)
        for point in points
    ]


DSA_R18 = dsa_points("layer2.1", "layer3.1")
DSA_R50 = dsa_points("layer2.1", "layer2.3", "layer3.1", "layer3.3", "layer3.5")
SDA_R50 = sda_points(3, 4, 6, 3)
SDA_R18 = sda_points(2, 2, 2, 2)
SDA_ONE = sda_points(2, 2, 2, 2, dependencies=1)
INSIDE = {
    "i3d_r18": [],
    "tsn_i3d_r18": [],
    "se_i3d_r18": [],
    "v4d_i3d_r18": [],
    "dsa_i3d_r18": DSA_R18,
    "i3d_r50": [],
    "tsn_i3d_r50": [],
    "se_i3d_r50": [],
    "v4d_i3d_r50": [],
    "dsa_i3d_r50": DSA_R50,
    "dsa_i3d_r50_8x8": DSA_R50,
    "dsa_tsm_r50": DSA_R50,
    "tsn_r18": [],
    "tsn_r50": [],
    "tsn_r101": [],
    "tsm_r18": [],
    "tsm_r50": [],
    "tsm_r101": [],
    "tsm_r50_16f": [],
    "sda_tsn_r50": SDA_R50,
    "sda_tsn_r50_16f": SDA_R50,
    "sda_tsm_r50": SDA_R50,
    "sda_tsm_r50_16f": SDA_R50,
    "c3d_r50": [],
    "gst_r50": [],
    "i3d_synth": [],
    "tsn_i3d_synth": [],
    "se_i3d_synth": [],
    "v4d_i3d_synth": [],
    "dsa_i3d_synth": DSA_R18,
    "dsa_tsm_synth": DSA_R18,
    "tsn_synth": [],
    "sda_tsn_lst_synth": SDA_ONE,
    "sda_tsn_lt_synth": SDA_ONE,
    "sda_tsn_ls_synth": SDA_ONE,
    "sda_tsn_s122_synth": SDA_ONE,
    "sda_tsn_avg_synth": SDA_R18,
    "sda_tsn_synth": SDA_R18,
    "tsm_synth": [],
    "sda_tsm_synth": SDA_R18,
}
"""Hook points of every row besides those of the head and of the stages."""
HOOK_POINTS = {name: [*HEAD, *inside, *STAGES] for name, inside in INSIDE.items()}
DIMS = {
    "hook_features": ("clip", "snippet", "channel"),
    "hook_snippet_scores": ("clip", "snippet", "class"),
    "hook_descriptor": ("clip", "channel", "snippet"),
    "hook_kernel": ("clip", "channel", "tap"),
    "hook_response": ("clip", "statistic", "frame", "row", "column"),
    "hook_dependency_weights": ("clip", "dependency"),
    "hook_gate": ("clip", "frame", "row", "column"),
    "hook_average_gate": ("clip", "frame", "row", "column"),
    **dict.fromkeys(STAGES, ("snippet", "channel", "statistic")),
}


def test_the_rows_are_these() -> None:
    assert list_models() == list(HOOK_POINTS)


def test_hook_points_of_every_row() -> None:
    wrong = {}
    for name, expected in HOOK_POINTS.items():
        points = hook_points(create_model_on_meta(name))
        dims = {path: (path, DIMS[path.split(".")[-1]]) for path in expected}
        found = {path: (point.name, point.dims) for path, point in points.items()}
        if list(points) != expected or found != dims:
            wrong[name] = {path: found.get(path) for path in {*found, *dims}
                           if found.get(path) != dims.get(path)} or list(points)
    assert wrong == {}


def test_every_spec_survives_json() -> None:
    changed = [
        name for name in HOOK_POINTS
        if ModelSpec.from_dict(json.loads(json.dumps(model_spec(name).to_dict())))
        != model_spec(name)
    ]
    assert changed == []


def test_the_consensus_of_every_row_is_what_its_network_holds() -> None:
    first = {"tsn": "average", "i3d": "average", "se": "average", "v4d": "4d", "tsm": "shift",
             "c3d": "3d", "gst": "3d"}
    found = {name: model_spec(name).consensus for name in HOOK_POINTS}
    parts = {name: name.split("_")[0] for name in HOOK_POINTS}
    assert found == {name: first.get(part, part) for name, part in parts.items()}
    assert set(found.values()) <= set(SNIPPET_MIXING)


def test_every_protocol_groups_as_many_snippets_as_the_network_takes() -> None:
    found, expected = {}, {}
    for name in HOOK_POINTS:
        network = create_model_on_meta(name)
        protocol = network.spec.protocol
        sampling = protocol.sampling
        found[name] = {"group": protocol.group_size, "snippets": sampling.num_snippets,
                       "network": network.num_snippets}
        if network.axis == "clip":  # snippets of one frame, all of them in one clip
            frames = 16 if name.endswith("_16f") else 8
            found[name]["frames"] = sampling.frames_per_snippet
            expected[name] = {"group": frames, "snippets": frames, "network": None, "frames": 1}
        else:
            mixed = 4 if name.startswith(("dsa", "v4d")) else None
            group = 1 if name.startswith("i3d") else 4
            expected[name] = {"group": group, "snippets": 8, "network": mixed}
    assert found == expected


def test_the_kinetics_protocol_is_that_of_section_4_2() -> None:
    for name, frames in (("dsa_i3d_r50", 4), ("dsa_i3d_r50_8x8", 8)):
        protocol = model_spec(name).protocol
        sampling = protocol.sampling
        assert (sampling.frames_per_snippet, sampling.frame_stride) == (frames, 8)
        assert (protocol.num_groups, protocol.num_crops, protocol.resize) == (2, 3, 256)
        assert protocol.snippet_of_view[:2].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


@pytest.mark.parametrize(
    ("names", "inserted", "backbone"),
    [
        (["i3d_synth", "tsn_i3d_synth", "dsa_i3d_synth", "se_i3d_synth", "v4d_i3d_synth"],
         {"dsa", "se", "fourd"}, {}),
        ([name for name in INSIDE if name.endswith("synth") and "i3d" not in name and "dsa" not in
          name], {"sda", "shift"}, {"axis": "clip"}),
    ],
)
def test_embedded_rows_that_are_compared_share_backbone_classes_and_sampling(
    names: list[str], inserted: set[str], backbone: dict[str, str]
) -> None:
    rows = [model_spec(name) for name in names]
    backbone = {"depth": 18, "width": 16, "dropout": 0.2, **backbone}
    for row in rows:
        assert row.classes == CATEGORIES
        assert row.protocol.sampling == rows[0].protocol.sampling
        assert row.build == rows[0].build
        assert {k: v for k, v in row.args.items() if k not in inserted} == backbone


def test_the_number_of_classes_can_be_another() -> None:
    network = create_model("dsa_i3d_synth", num_classes=3)
    assert network.fc.out_features == 3
    assert network.spec.classes == ("class 0", "class 1", "class 2")
    assert model_spec("dsa_i3d_synth").classes == CATEGORIES
    assert create_model("i3d_synth", num_classes=len(CATEGORIES)).spec.classes == CATEGORIES


def test_classes_can_be_given() -> None:
    spec = replace(model_spec("tsn_i3d_synth"), classes=("yes", "no"))
    assert build_model(spec).spec.classes == ("yes", "no")


def test_every_state_dict_comes_back_by_name() -> None:
    wrong = []
    for name in HOOK_POINTS:
        network, other = create_model_on_meta(name), create_model_on_meta(name)
        other.load_state_dict(network.state_dict(), strict=True, assign=True)
        keys = set(network.state_dict())
        wrong += [f"{name}: {key}" for key in keys if "hook" in key]
        if name.startswith("dsa"):
            backbone = create_model_on_meta(name.removeprefix("dsa_").removesuffix("_8x8"))
            plain = {key for key in keys if ".dsa.generate." not in key}
            wrong += [f"{name}: {key}" for key in plain ^ set(backbone.state_dict())]
    assert wrong == []


def create_model_on_meta(name: str) -> VideoNetwork:
    with torch.device("meta"):
        return create_model(name)


def test_an_unknown_name_names_close_ones() -> None:
    with pytest.raises(ModelError, match=r"'dsa_i3d_r5'.*Close: dsa_i3d_r50"):
        create_model("dsa_i3d_r5")


def test_a_spec_that_is_not_understood_says_why() -> None:
    values = model_spec("i3d_synth").to_dict()
    with pytest.raises(CheckpointError, match="missing required field `protocol`"):
        ModelSpec.from_dict({key: v for key, v in values.items() if key != "protocol"})
    with pytest.raises(CheckpointError, match="do not divide by 3"):
        ModelSpec.from_dict(values | {"protocol": values["protocol"] | {"group_size": 3}})
    with pytest.raises(CheckpointError, match="surplus"):
        ModelSpec.from_dict(values | {"surplus": 1})
    with pytest.raises(ModelError, match="widht"):
        build_model(replace(model_spec("i3d_synth"), args={"depth": 18, "widht": 16}))
