"""All recipes by name: the embedded networks, and every network that the two papers trained.

DSANet (Wu et al., 2021), section 4.2 and Tables 2, 4, 5 and 6; SDA (Tan et al., 2021), section 4.2
and Tables 1 to 6. Settings that a paper does not state are those of its authors' code:
whwu95/DSANet, configs/kinetics400/r50_e100.py, and ty-97/SDA, train.py, opts.py and
ops/models_tsm.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from dsanet_core.errors import ModelError
from dsanet_core.synthetic import CATEGORIES
from dsanet_core.training.recipe import Recipe
from dsanet_core.zoo import list_models, model_spec

_DSANET = Recipe(
    name="",
    model="",
    data="",
    epochs=0,
    learning_rate=0.01,
    videos_per_step=96,
    gpus=8,
    snippets=4,
    decay_all=True,
    nesterov=True,
    clip_norm=40.0,
    crop="area",
    flip=True,
    side=224,
    init="imagenet",
    validate_every=10,
    sources=(
        ("model, snippets, side, epochs, steps, learning_rate, init", "DSANet, section 4.2"),
        ("crop, flip, dropout, weight_decay, decay_all, momentum, nesterov, clip_norm, norm, "
         "validate_every, 12 videos per GPU; on Kinetics-400 warmup",
         "authors' configs/kinetics400/r50_e100.py"),
        ("8 GPUs", "authors' README"),
    ),
)
"""The paper states only "random scaling"; the code crops a random area of 8 to 100% with an
aspect ratio of 3:4 to 4:3 and mirrors half of the videos."""

_SDA = Recipe(
    name="",
    model="",
    data="",
    epochs=50,
    learning_rate=0.01,
    videos_per_step=36,
    gpus=4,
    snippets=8,
    steps=(20, 40),
    bias_rate=2.0,
    clip_norm=20.0,
    crop="scales",
    flip=True,
    side=224,
    init="imagenet",
    validate_every=5,
    sources=(
        ("epochs, steps, learning_rate, dropout, init, side, flip, 9 videos per GPU, 4 GPUs",
         "SDA, section 4.2"),
        ("crop, weight_decay, bias_rate, momentum, clip_norm, norm, validate_every",
         "authors' train.py, opts.py and ops/models_tsm.py"),
    ),
)
"""The paper states "random scaling before cropping and random horizontal flipping"; the code crops
1, 0.875, 0.75 or 0.66 of the short side at one of 13 places, and changes left and right in the
labels of mirrored videos."""

_SCHEDULES: Mapping[str, dict[str, Any]] = {
    "minikinetics200": {"epochs": 70, "steps": (40, 60)},
    "kinetics400": {"epochs": 100, "steps": (50, 75, 90), "warmup": 10},
    "ssv1": {"epochs": 50, "steps": (30, 40, 45)},
    "activitynet": {"epochs": 200, "steps": (80, 160), "init": "dsa_i3d_r50_kinetics400"},
}
"""DSANet, section 4.2, for each dataset; the warm-up on Kinetics-400 is the authors' code's, whose
learning rate there is 0.015."""

_RES5 = {"stages": [5], "beta": 1}
"""Basis of Tables 2b, 2c and 2e: one block, all channels."""


def paper_recipes() -> list[Recipe]:
    """Recipes of both papers in their order; one that several tables share occurs once."""
    rows: dict[str, Recipe] = {}
    for recipe in [*_dsanet_rows(), *_sda_rows()]:
        known = rows.get(recipe.name, recipe)
        tables = dict.fromkeys([*known.tables, *recipe.tables])
        rows[recipe.name] = replace(known, tables=tuple(tables))
    return list(rows.values())


def _dsanet(model: str, data: str, table: str, *, label: str = "", **more: Any) -> Recipe:
    """A recipe of DSANet. label: suffix of a network that differs from its row of the zoo."""
    return replace(
        _DSANET, name="_".join(filter(None, (model, label, data))), model=model, data=data,
        tables=(f"DSANet, Table {table}",), **_SCHEDULES[data] | more,
    )


def _dsa(table: str, label: str, **dsa: Any) -> Recipe:
    """DSA+I3D R50 with changed DSA arguments, for the ablations."""
    own = model_spec("dsa_i3d_r50").args["dsa"]
    return _dsanet("dsa_i3d_r50", "minikinetics200", table, label=label,
                   changes={"dsa": own | dsa})


def _as_quoted(recipe: Recipe) -> Recipe:
    """A row that the paper quotes from other work; here it is trained like the paper's own rows."""
    return replace(
        recipe, sources=(("all fields", "those of DSANet: the paper quotes this network"),)
    )


def _dsanet_rows() -> Iterator[Recipe]:
    mini = "minikinetics200"
    yield _dsanet("i3d_r18", mini, "2a", snippets=1)
    yield _dsanet("i3d_r18", mini, "2a", label="16f", snippets=1,
                  sampling_changes={"frames_per_snippet": 16})
    yield _dsanet("tsn_i3d_r18", mini, "2a")
    yield _dsanet("v4d_i3d_r18", mini, "2a")
    yield _dsanet("dsa_i3d_r18", mini, "2a")
    for position in ("I", "II", "III", "IV"):
        yield _dsa("2b", f"res5_beta1_{position}", **_RES5, position=position)
    for alpha in (1, 2, 4, 8):
        label = "res5_beta1_II" if alpha == 2 else f"res5_beta1_alpha{alpha}"
        yield _dsa("2c", label, **_RES5, alpha=alpha)
    for stage in (2, 3, 4, 5):
        label = "res5_beta1_II" if stage == 5 else f"res{stage}_beta1"
        yield _dsa("2d", label, stages=[stage], beta=1)
    for divisor in (1, 2, 4, 8):
        label = "res5_beta1_II" if divisor == 1 else f"res5_beta1-{divisor}"
        yield _dsa("2e", label, stages=[5], beta=1 / divisor)
    yield _dsa("2f", "res5_beta1-8", stages=[5], beta=1 / 8)
    yield _dsa("2f", "res4-5", stages=[4, 5])
    yield _dsanet("dsa_i3d_r50", mini, "2f")
    yield _dsa("2f", "res2-3", stages=[2, 3])
    yield _dsanet("dsa_tsm_r50", mini, "2g", label="without_dsa", snippets=1,
                  changes={"dsa": None}, sampling_changes={"group_size": 1})
    yield _dsanet("dsa_tsm_r50", mini, "2g")
    for table in ("2g", "2h"):
        yield _dsanet("i3d_r50", mini, table, snippets=1)
        yield _dsanet("dsa_i3d_r50", mini, table)
    yield _dsanet("i3d_r18", mini, "2h", snippets=1)
    yield _dsanet("se_i3d_r18", mini, "2h")
    yield _dsanet("se_i3d_r50", mini, "2h")
    yield _dsanet("dsa_i3d_r18", mini, "2h")
    for name in ("tsn_i3d_r50", "v4d_i3d_r50", "dsa_i3d_r50"):
        yield _dsanet(name, mini, "2i")
    for name in ("v4d_i3d_r18", "v4d_i3d_r50", "dsa_i3d_r18", "dsa_i3d_r50"):
        yield _dsanet(name, mini, "3")

    eight = {"frames_per_snippet": 8}
    yield _as_quoted(_dsanet("i3d_r50", "kinetics400", "4", label="8f", snippets=1,
                             sampling_changes=eight))
    yield _as_quoted(_dsanet("v4d_i3d_r50", "kinetics400", "4", label="8f", sampling_changes=eight))
    yield _dsanet("dsa_i3d_r50", "kinetics400", "4")
    yield _dsanet("dsa_i3d_r50_8x8", "kinetics400", "4")
    yield _dsanet("dsa_i3d_r50", "activitynet", "5")
    yield _dsanet("i3d_r50", "ssv1", "6", snippets=1)
    yield _as_quoted(_dsanet("v4d_i3d_r50", "ssv1", "6"))
    yield _dsanet("dsa_i3d_r50", "ssv1", "6")


def _sda(model: str, data: str, table: str, *, label: str = "", **more: Any) -> Recipe:
    """The paper's learning rates: 0.01 for TSN and 8 frames, 0.015 for TSM or 16 frames; C3D and
    GST, for which it states none, get that of TSN."""
    frames = model_spec(model).protocol.group_size
    rate = 0.015 if "tsm" in model or frames == 16 else 0.01
    return replace(
        _SDA, name="_".join(filter(None, (model, label, data))), model=model, data=data,
        snippets=frames, learning_rate=rate, tables=(f"SDA, Table {table}",), **more,
    )


def _dependencies(
    table: str, label: str, dependencies: Iterable[str], reduction: int = 4,
    aggregation: str = "avg",
) -> Recipe:
    """SDA-TSN R50 with changed SDA arguments, for the ablations."""
    sda = {"dependencies": [*dependencies], "reduction": reduction, "aggregation": aggregation}
    return _sda("sda_tsn_r50", "ssv1", table, label=label, changes={"sda": sda})


def _sda_rows() -> Iterator[Recipe]:
    v1, four = "ssv1", ("LST", "LT", "LS", "S122")
    yield _sda("tsn_r50", v1, "1")
    for names in (("LST",), ("LT",), ("LS",), ("LST", "LT", "LS"),
                  ("S222",), ("S144",), ("S122",), ("S222", "S144", "S122"), four):
        label = "avg_rc4" if names == four else "+".join(names).lower()
        yield _dependencies("1", label, names)
    for reduction in (2, 4, 8, 16):
        yield _dependencies("2", f"avg_rc{reduction}", four, reduction)
        if reduction == 4:
            yield _sda("sda_tsn_r50", v1, "2")
        else:
            yield _dependencies("2", f"sec_rc{reduction}", four, reduction, "sec")
    for data in (v1, "ssv2"):
        for model in ("gst_r50", "tsn_r50", "sda_tsn_r50", "sda_tsn_r50_16f", "tsm_r50",
                      "tsm_r50_16f", "sda_tsm_r50", "sda_tsm_r50_16f"):
            yield _sda(model, data, "3")
    for table, sets in (("4", ("diving48",)), ("5", ("epic55_verb", "epic55_noun"))):
        for data in sets:
            for model in ("c3d_r50", "gst_r50", "tsn_r50", "sda_tsn_r50", "tsm_r50",
                          "sda_tsm_r50"):
                yield _sda(model, data, table)
    yield _sda("tsn_r50", v1, "6")
    for pool, conv in (("2x2x2", "1x1x1"), ("3x3x3", "1x1x1"), ("1x2x2", "3x1x1"),
                       ("1x3x3", "3x1x1"), ("1x4x4", "3x1x1"), ("1x5x5", "3x1x1"),
                       ("2x1x1", "1x3x3"), ("2x1x1", "3x1x1"), ("1x2x2", "1x3x3")):
        kernels = f"{pool}/{conv}"
        name = _NAMED_KERNELS.get(kernels)
        label = name.lower() if name else f"pool{pool}_conv{conv}"
        yield _dependencies("6", label, [name or kernels])


_NAMED_KERNELS = {"2x2x2/1x1x1": "S222", "1x4x4/3x1x1": "S144", "1x2x2/3x1x1": "S122"}
"""Kernels of Table 6 that also occur in Table 1."""


def _embedded_recipes() -> Iterator[Recipe]:
    """A recipe for each embedded network, with an equal budget of frames from 5000 videos."""
    for name in list_models():
        if (spec := model_spec(name)).classes != CATEGORIES:
            continue
        yield Recipe(
            name=name,
            model=name,
            data="synth",
            epochs=10,
            learning_rate=0.1,
            videos_per_step=32,
            snippets=8 if spec.args.get("axis") == "clip" else 4,
            schedule="cosine",
            warmup=2.5,
            weight_decay=5e-4,
            nesterov=True,
            dropout=0.2,
            precision="bfloat16",
            light=0.2,
            train_on="synth:seed=1,n=5000",
            validate_on="synth:seed=7,n=2500",
            validate_every=0,
            sources=(("all fields", "chosen here"),),
        )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in [*_embedded_recipes(), *paper_recipes()]
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name. Raises ModelError, with the closest names, if there is none."""
    if name not in RECIPES:
        close = get_close_matches(name, RECIPES, n=3, cutoff=0)
        raise ModelError(
            f"no recipe {name!r}", "a row of `train --list`", f"Close: {', '.join(close)}."
        )
    return RECIPES[name]
