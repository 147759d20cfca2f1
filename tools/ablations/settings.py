"""The settings that are trained: a network, and the budget that it shares with its table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from dsanet_core.models.dsa import Position
from dsanet_core.records import Sampling
from dsanet_core.synthetic import GROUP_OF, GROUPS, label_of
from dsanet_core.training import RECIPES, Recipe
from dsanet_core.zoo import ModelSpec, model_spec

SIDE, CROP = 48, 44
"""Pixels that videos are drawn at, and of the network's input."""
TRAINING_SEED, TEST_SEED = 1, 7
"""Of the embedded benchmark."""


@dataclass(frozen=True)
class Budget:
    """Common parts of the settings of some tables: data, length of training, starting point.

    start: embedded network whose weights a training starts from, as the papers' start from
    ImageNet's; what is put into the network starts at random. groups: the groups of categories
    that are trained and measured, all categories taking turns.
    """

    title: str
    start: str
    groups: tuple[str, ...]
    training_videos: int
    test_videos: int
    epochs: int
    max_learning_rate: float = 0.1

    @property
    def labels(self) -> list[int]:
        """The categories of these groups, as labels."""
        return [label for label, group in enumerate(GROUP_OF) if group in self.groups]

    def numbers(self, count: int) -> list[int]:
        """The numbers of the first `count` videos of the benchmark that are of these groups."""
        return list(islice((number for number in itertools.count()
                            if GROUP_OF[label_of(number)] in self.groups), count))


I3D = Budget("I3D", "i3d_synth", ("order",), 1600, 800, 5)
TSM = Budget("TSM", "tsn_synth", ("order",), 1600, 800, 5)
SDA = Budget("SDA", "tsn_synth", tuple(GROUPS), 2500, 1000, 3)


@dataclass(frozen=True)
class Setting:
    """One network of a table. spec: how it is built and tested; snippets: of each video and epoch
    in training."""

    name: str
    budget: Budget
    spec: ModelSpec
    snippets: int

    @property
    def recipe(self) -> Recipe:
        """The recipe of the embedded networks with this budget's length."""
        return replace(
            RECIPES["dsa_i3d_synth"].lasting(self.budget.epochs),
            name=self.name,
            model=self.name,
            snippets=self.snippets,
            learning_rate=self.budget.max_learning_rate,
            train_on=None,
            validate_on=None,
        )


def _setting(
    name: str,
    budget: Budget,
    row: str,
    *,
    snippets: int = 4,
    sampling: Sampling | None = None,
    **parts: Any,
) -> Setting:
    """row: of the zoo, to which parts are added; sampling: another than the row's."""
    base = model_spec(row)
    protocol = replace(base.protocol, resize=SIDE, crop=CROP)
    if sampling is not None:
        protocol = replace(protocol, sampling=sampling)
    return Setting(
        name, budget, replace(base, name=name, protocol=protocol, args=base.args | parts), snippets
    )


def _tsm(name: str) -> Setting:
    """TSM on single snippets: DSA+TSM without DSA."""
    with_dsa = _setting(name, TSM, "dsa_tsm_synth")
    args = {key: value for key, value in with_dsa.spec.args.items() if key != "dsa"}
    protocol = replace(with_dsa.spec.protocol, group_size=1)
    return replace(with_dsa, spec=replace(with_dsa.spec, args=args, protocol=protocol))


def dsa_name(
    stages: Sequence[int] = (3, 4),
    *,
    position: Position = "II",
    alpha: int = 2,
    beta: float = 1 / 2,
) -> str:
    """Name of a setting of DSA; the defaults are those of the embedded `dsa_i3d_synth`."""
    return f"dsa_res{''.join(map(str, stages))}_{position}_alpha{alpha}_beta{beta:g}"


def _dsa(
    stages: Sequence[int] = (3, 4),
    *,
    position: Position = "II",
    alpha: int = 2,
    beta: float = 1 / 2,
) -> Setting:
    name = dsa_name(stages, position=position, alpha=alpha, beta=beta)
    own = model_spec("dsa_i3d_synth").args["dsa"]
    changed = {"stages": [*stages], "position": position, "alpha": alpha, "beta": beta}
    return _setting(name, I3D, "dsa_i3d_synth", dsa=own | changed)


def sda_name(dependencies: str, *, aggregation: str = "avg", reduction: int = 4) -> str:
    """Name of a setting of SDA; dependencies: joined by "+"."""
    return f"sda_{dependencies}_{aggregation}_rc{reduction}"


def _sda(dependencies: str, *, aggregation: str = "avg", reduction: int = 4) -> Setting:
    name = sda_name(dependencies, aggregation=aggregation, reduction=reduction)
    sda = {
        "dependencies": dependencies.split("+"),
        "aggregation": aggregation,
        "reduction": reduction,
    }
    return _setting(name, SDA, "sda_tsn_synth", snippets=8, sda=sda)


ALL_FOUR = "LST+LT+LS+S122"
SINGLE = ("LST", "LT", "LS", "S222", "S144", "S122")
ALPHAS = (1, 2, 4, 8)
BETAS = (1.0, 1 / 2, 1 / 4, 1 / 8)
STAGES = (2, 3, 4, 5)
PAIRS = ((5,), (4, 5), (3, 4), (2, 3))
REDUCTIONS = (2, 4, 8)
"""r_c. On 16 to 128 channels, reduced to 16 at the least, 8 and all above it are one network."""


def _all() -> Iterable[Setting]:
    whole = Sampling(num_snippets=1, frames_per_snippet=16, frame_stride=4)
    yield _setting("i3d", I3D, "i3d_synth")
    yield _setting("i3d_16", I3D, "i3d_synth", snippets=1, sampling=whole)
    yield _setting("tsn_i3d", I3D, "tsn_i3d_synth")
    yield _setting("v4d_i3d", I3D, "v4d_i3d_synth")
    yield _setting("se_i3d", I3D, "se_i3d_synth")
    yield from (_dsa(stages) for stages in PAIRS)
    yield from (_dsa([5], beta=beta) for beta in BETAS)
    yield from (_dsa([stage], beta=1) for stage in STAGES)
    yield from (_dsa([5], beta=1, position=position) for position in ("I", "III"))
    yield from (_dsa([5], beta=1, alpha=alpha) for alpha in ALPHAS)
    yield _tsm("tsm")
    yield _setting("dsa_tsm", TSM, "dsa_tsm_synth")
    yield _setting("tsn", SDA, "tsn_synth", snippets=8)
    yield from (_sda(dependency) for dependency in SINGLE)
    yield from (_sda(several) for several in ("LST+LT+LS", "S222+S144+S122"))
    for reduction in REDUCTIONS:
        for aggregation in ("avg", "sec"):
            yield _sda(ALL_FOUR, aggregation=aggregation, reduction=reduction)


SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _all()}
"""Those that several tables share are trained once."""
