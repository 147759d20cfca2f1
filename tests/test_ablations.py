"""The ablations: what their settings are, how claims are judged, what the page tells."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from dsanet_core.analysis import run_network
from dsanet_core.datasets import open_dataset
from dsanet_core.models.dsa import DSA
from dsanet_core.models.sda import SDA
from dsanet_core.synthetic import GROUP_OF, make_video
from dsanet_core.video import to_tensor
from dsanet_core.zoo import build_model
from tools.ablations import cells
from tools.ablations.claims import FAILS, HOLDS, MISSING, OPEN, Spread, judge
from tools.ablations.report import report, tops_of
from tools.ablations.settings import (
    ALPHAS,
    BETAS,
    PAIRS,
    REDUCTIONS,
    SETTINGS,
    SIDE,
    STAGES,
    dsa_name,
)
from tools.ablations.tables import ALL_FOUR, BOTH, TABLES, Claim

DOCS = Path(__file__).parents[1] / "docs"


def network_of(name: str) -> torch.nn.Module:
    return build_model(SETTINGS[name].spec)


def dsa_modules(name: str) -> dict[str, DSA]:
    network = network_of(name)
    return {path: part for path, part in network.named_modules() if isinstance(part, DSA)}


def test_every_row_has_a_setting_and_every_setting_a_row() -> None:
    rows = {row.setting for table in TABLES for row in table.rows} - {""}
    assert rows == set(SETTINGS)
    claimed = {
        setting
        for table in TABLES for claim in table.claims
        for setting in (*claim.alike, *(name for pair in claim.above for name in pair))
    }
    assert claimed <= rows


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_setting_starts_from_embedded_weights_but_for_what_is_put_in(name: str) -> None:
    setting = SETTINGS[name]
    start, sha256 = cells.start_of(setting.budget)
    network = cells.started(setting)
    inserted = {"dsa", "sda", "se", "fourd"}
    assert len(sha256) == 64
    for key, value in network.state_dict().items():
        if inserted.isdisjoint(key.split(".")):
            assert torch.equal(value, start[key]), key
    assert set(start) <= set(network.state_dict())


def test_stages_and_number_of_dsa_blocks_are_those_of_the_rows() -> None:
    for stages in (*PAIRS, *((stage,) for stage in STAGES)):
        name = dsa_name(stages, beta=1 / 2 if stages in PAIRS else 1)
        assert list(dsa_modules(name)) == [f"layer{stage - 1}.1.dsa" for stage in sorted(stages)]


def test_alpha_and_beta_change_the_kernel_mlp_and_the_channels_alone() -> None:
    for alpha in ALPHAS:
        (module,) = dsa_modules(dsa_name([5], beta=1, alpha=alpha)).values()
        assert module.generate[0].out_features == 4 * alpha and module.aggregated == 128
    aggregated = []
    for beta in BETAS:
        (module,) = dsa_modules(dsa_name([5], beta=beta)).values()
        assert module.generate[0].out_features == 8
        aggregated.append(module.aggregated)
    assert aggregated == [128, 64, 32, 16]


def test_positions_iii_and_iv_of_a_block_of_two_convolutions_are_one_network() -> None:
    setting = SETTINGS[dsa_name([5], beta=1, position="III")]
    args = setting.spec.args
    fourth = replace(setting.spec, args=args | {"dsa": args["dsa"] | {"position": "IV"}})
    torch.manual_seed(0)
    x = torch.randn(1, 4, 3, 4, 44, 44)
    outputs = []
    for spec in (setting.spec, fourth, SETTINGS[dsa_name([5], beta=1)].spec):
        torch.manual_seed(1)
        with torch.inference_mode():
            outputs.append(build_model(spec).eval()(x))
    assert torch.equal(outputs[0], outputs[1]) and not torch.allclose(outputs[0], outputs[2])


def test_reductions_leave_the_channels_that_the_page_says() -> None:
    left = {2: [16, 16, 32, 64], 4: [16, 16, 16, 32], 8: [16] * 4}
    assert set(left) == set(REDUCTIONS)
    for reduction, channels in left.items():
        for kind in ("avg", "sec"):
            network = network_of(BOTH[kind, reduction])
            modules = [part for part in network.modules() if isinstance(part, SDA)]
            assert [module.down.out_channels for module in modules[::2]] == channels
            assert all((module.query is not None) == (kind == "sec") for module in modules)
            assert "+".join(modules[0].dependencies) == ALL_FOUR
    sixteen = SDA(128, reduction=16)
    assert sixteen.down.out_channels == 16 and BOTH["sec", 16] == BOTH["sec", 8]


def test_a_budget_takes_videos_of_its_groups_in_turn() -> None:
    budget = SETTINGS["i3d"].budget
    numbers = budget.numbers(20)
    assert [GROUP_OF[number % 25] for number in numbers] == ["order"] * 20
    assert max(Counter(number % 25 for number in numbers).values()) == 3
    assert numbers == sorted(set(numbers))
    assert SETTINGS["tsn"].budget.numbers(60) == list(range(60))


@pytest.mark.parametrize("name", ["i3d", "i3d_16", dsa_name(), "tsm", BOTH["sec", 4]])
def test_predictions_are_those_of_the_one_video_path(name: str) -> None:
    setting = SETTINGS[name]
    torch.manual_seed(0)
    network = build_model(setting.spec).eval()
    torch.nn.init.normal_(network.fc.weight)
    dataset = open_dataset(f"synth:seed=7,n=6,size={SIDE}")
    protocol = setting.spec.protocol
    expected = [
        run_network(network, to_tensor(dataset.clips(index, protocol.sampling), protocol))
        .video_scores.argmax()
        for index in range(6)
    ]
    pixels = np.stack([make_video(7, index, size=(SIDE, SIDE)).rgb for index in range(6)])
    assert cells.predicted(network, pixels, batch=4).tolist() == expected


def test_cells_are_made_seed_by_seed_with_budgets_in_turn(tmp_path: Path) -> None:
    missing = cells.missing_cells(2, tmp_path)
    assert [seed for _, seed in missing] == [0] * len(SETTINGS) + [1] * len(SETTINGS)
    assert {name for name, _ in missing[: len(SETTINGS)]} == set(SETTINGS)
    assert [name for name, _ in missing[:4]] == ["i3d", "tsm", "tsn", "i3d_16"]
    assert [name for name, _ in missing[len(SETTINGS) :]][::-1] == [
        name for name, _ in missing[: len(SETTINGS)]
    ]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """A setting whose cell takes a second."""
    setting = SETTINGS["tsm"]
    budget = replace(setting.budget, training_videos=32, test_videos=16, epochs=1)
    for name in [*SETTINGS]:
        monkeypatch.delitem(SETTINGS, name)
    monkeypatch.setitem(SETTINGS, "tsm", replace(setting, budget=budget))
    return "tsm"


def test_a_finished_cell_is_never_made_again_unless_its_setting_changed(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cells"
    assert cells.missing_cells(2, folder) == [(tiny, 0), (tiny, 1)]
    cell = cells.make_cell(tiny, 0, tmp_path, folder)
    assert cell["groups"] == {"order": cell["top1"]} and 0 <= cell["top1"] <= 1
    assert cell["top1"] * 16 == round(cell["top1"] * 16)
    assert cells.missing_cells(2, folder) == [(tiny, 1)]
    assert cells.finished(SETTINGS[tiny], 0, folder) == cell
    longer = replace(SETTINGS[tiny], budget=replace(SETTINGS[tiny].budget, epochs=2))
    monkeypatch.setitem(SETTINGS, tiny, longer)
    assert cells.missing_cells(1, folder) == [(tiny, 0)]


def test_a_cell_that_was_cut_short_leaves_nothing(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "predicted", killed)
    with pytest.raises(KeyboardInterrupt):
        cells.make_cell(tiny, 0, tmp_path, tmp_path / "cells")
    assert cells.missing_cells(1, tmp_path / "cells") == [(tiny, 0)]


def test_the_interval_of_a_difference_is_that_of_a_t_test() -> None:
    first, second = [91.0, 93.5, 92.0], [88.0, 90.5, 89.0]
    found = Spread.pooled([first, second]).difference(first, second)
    interval = stats.ttest_ind(first, second).confidence_interval(0.95)
    assert found.points == pytest.approx(3.0)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_noisy_pair_widens_the_interval_and_a_quiet_one_does_not_narrow_it() -> None:
    quiet, noisy = [[50.0, 50.2, 50.1]] * 4, [[70.0, 90.0, 80.0], [60.0, 75.0, 90.0]]
    spread = Spread.pooled([*quiet, *noisy])
    calm, wild = spread.difference(*quiet[:2]), spread.difference(*noisy)
    assert calm.high - calm.low > 5
    assert wild.high - wild.low > calm.high - calm.low


TOPS = {
    "low": [50.0, 51.0, 50.5],
    "mid": [69.5, 71.0, 70.0],
    "near": [70.5, 70.0, 71.5],
    "high": [90.0, 91.0, 90.2],
}


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim("", above=(("high", "low"),)), HOLDS),
        (Claim("", above=(("low", "high"),)), FAILS),
        (Claim("", above=(("near", "mid"),)), OPEN),
        (Claim("", above=(("high", "low"), ("near", "mid"))), OPEN),
        (Claim("", above=(("high", "low"), ("near", "mid"), ("mid", "high"))), FAILS),
        (Claim("", above=(("high", "low"), ("high", "mid"))), HOLDS),
        (Claim("", alike=("mid", "near")), HOLDS),
        (Claim("", alike=("mid", "near", "high")), FAILS),
        (Claim("", above=(("high", "absent"),)), MISSING),
    ],
)
def test_claims_are_judged_by_their_intervals(claim: Claim, verdict: str) -> None:
    names = {name: name for name in TOPS}
    assert judge(claim, TOPS, dict.fromkeys(TOPS, "one"), names).verdict == verdict


def test_one_seed_decides_nothing() -> None:
    tops = {"high": [90.0], "low": [50.0]}
    verdict = judge(Claim("", above=(("high", "low"),)), tops, dict.fromkeys(tops, "one"), tops)
    assert verdict.verdict == OPEN


def made_up(setting: str, seed: int, top1: float) -> dict[str, object]:
    groups = dict.fromkeys(SETTINGS[setting].budget.groups, top1)
    return {"setting": setting, "seed": seed, "top1": top1, "groups": groups, "params": 1_234_567,
            "macs": 89_000_000}




def test_the_page_tells_mean_spread_seeds_and_cost_beside_the_papers_figures() -> None:
    some = [made_up("i3d", seed, top1) for seed, top1 in enumerate((0.5, 0.52, 0.57))]
    page = report([*some, made_up("tsn_i3d", 0, 0.6)])
    assert "| I3D, 4x1 in training | 72.2 | 91.2 | 32.3 | **53.0** (50.0 to 57.0) | 3 |" in page
    assert "| TSN+I3D | 73.0 | 91.3 | 32.3 | **60.0** | 1 | 1.235 | 89.0 |" in page
    assert "| V4D+I3D | 75.6 | 92.7 | 33.1 | not measured |" in page
    assert "| I3D R50 | 78.0 | left out |" in page
    assert tops_of(some) == {"i3d": pytest.approx([50.0, 52.0, 57.0])}


def test_the_page_states_verdicts_of_its_own_numbers() -> None:
    better = dsa_name()
    some = [
        made_up(name, seed, top1 + seed / 1000)
        for name, top1 in (("i3d", 0.5), ("tsn_i3d", 0.501), (better, 0.9)) for seed in range(3)
    ]
    lines = report(some).splitlines()
    assert any(line.startswith("| DSA adds to I3D (+5.1) | **reproduces in small**")
               and "DSA+I3D less I3D, 4x1 in training: +40.0" in line for line in lines)
    assert any(line.startswith("| TSN adds to I3D (+0.8) | **undecided**") for line in lines)
    assert any(line.startswith("| V4D adds to I3D (+3.4) | **not measured**") for line in lines)


def test_every_claim_and_row_of_the_papers_stands_on_the_page() -> None:
    page = report([])
    for table in TABLES:
        assert f"## {table.name}: {table.title}" in page
        for row in table.rows:
            assert f"| {row.label} | {row.top1 or '-'} |" in page
        for claim in table.claims:
            assert f"| {claim.text} |" in page


def test_the_page_in_docs_is_that_of_the_cells_in_docs() -> None:
    kept = json.loads((DOCS / "ablations.json").read_text())
    assert report(kept) == (DOCS / "ablations.md").read_text()
    seeds = Counter(cell["setting"] for cell in kept)
    assert set(seeds) == set(SETTINGS) and max(seeds.values()) >= 2
