"""The SDA module against Eqs. 2-8 written as loops, and its place in the residual block."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dsanet_core.errors import ModelError
from dsanet_core.hooks import capture
from dsanet_core.models.dependencies import NAMED, Dependency
from dsanet_core.models.resnet import BasicBlock, Bottleneck
from dsanet_core.models.sda import SDA, Excitation, insert_sda
from tests.models.networks import stir, tiny

Values = NDArray[np.float64]
FOUR = ("LST", "LT", "LS", "S122")
TABLE_6 = ("3x3x3/1x1x1", "1x3x3/3x1x1", "1x5x5/3x1x1", "2x1x1/1x3x3", "2x1x1/3x1x1", "1x2x2/1x3x3")
WHOLE = {"T": 0, "H": 1, "W": 2}


def bins(full: int, places: int) -> list[range]:
    """Adaptive pooling of `full` values to `places`: what each place averages."""
    return [range(i * full // places, -(-(i + 1) * full // places)) for i in range(places)]


def pool(x: Values, grid: tuple[int, ...]) -> Values:
    """Average pooling of (C, T, H, W) to a grid; also the way back to a larger one."""
    out = np.zeros((len(x), *grid))
    axes = [bins(full, places) for full, places in zip(x.shape[1:], grid, strict=True)]
    for place in itertools.product(*(range(n) for n in grid)):
        t, h, w = (axis[i] for axis, i in zip(axes, place, strict=True))
        for c in range(len(x)):
            values = [float(x[c, i, j, k]) for i in t for j in h for k in w]
            out[(c, *place)] = sum(values) / len(values)
    return out


def convolve(x: Values, conv: nn.Conv3d) -> Values:
    weight = conv.weight.detach().numpy()
    reach = [size // 2 for size in weight.shape[2:]]
    out = np.zeros((len(weight), *x.shape[1:]))
    for place in itertools.product(*(range(n) for n in x.shape[1:])):
        for tap in itertools.product(*(range(n) for n in weight.shape[2:])):
            at = [p + t - r for p, t, r in zip(place, tap, reach, strict=True)]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
                for o in range(len(weight)):
                    for c in range(len(x)):
                        out[(o, *place)] += weight[(o, c, *tap)] * x[(c, *at)]
    return out


def normalise(x: Values, norm: nn.BatchNorm3d) -> Values:
    out = np.empty_like(x)
    for c in range(len(x)):
        deviation = math.sqrt(float(norm.running_var[c]) + norm.eps)
        scaled = (x[c] - float(norm.running_mean[c])) / deviation
        out[c] = scaled * norm.weight[c].item() + norm.bias[c].item()
    return out


def reference(sda: SDA, x: Tensor) -> Tensor:
    """Eqs. 2-8, one number after another; x: (B, C, T, H, W) float64."""
    out = []
    for clip in x.numpy():
        reduced = np.maximum(normalise(convolve(clip, sda.down), sda.bn1), 0)
        size, responses = clip.shape[1:], []
        for branch in sda.mdm:
            kernel = NAMED.get(branch.dependency.name, branch.dependency.name).split("/")[0]
            grid = tuple(
                1 if k in WHOLE else min(full, max(full // int(k), 2))
                for k, full in zip(kernel.split("x"), size, strict=True)
            )
            squeezed = pool(reduced, grid)                                             # Eq. 2
            response = np.maximum(normalise(convolve(squeezed, branch.conv), branch.bn), 0)  # Eq. 3
            responses.append(pool(response, size))
        weights = [1 / len(responses)] * len(responses)                                # Eq. 5
        if sda.query is not None:
            query = sda.query.tolist()
            scores = []
            for response in responses:
                key = [float(np.mean(response[c])) for c in range(len(response))]
                scores.append(sum(q * k for q, k in zip(query, key, strict=True)))
            total = sum(math.exp(score) for score in scores)
            weights = [math.exp(score) / total for score in scores]                    # Eq. 6
        mixed = sum(w * response for w, response in zip(weights, responses, strict=True))  # Eq. 7
        gate = 1 / (1 + np.exp(-normalise(convolve(mixed, sda.up), sda.bn2)))
        out.append(gate * clip)                                                        # Eq. 8
    return torch.from_numpy(np.stack(out))


def module(dependencies: tuple[str, ...], aggregation: str, channels: int = 20) -> SDA:
    torch.manual_seed(len(dependencies))
    sda = SDA(channels, dependencies, 4, aggregation)  # type: ignore[arg-type]
    stir(sda)
    return sda.double().eval()


@pytest.mark.parametrize("size", [(4, 4, 4), (3, 5, 6)])
@pytest.mark.parametrize("name", [*NAMED, *TABLE_6])
def test_one_dependency_equals_the_loops(name: str, size: tuple[int, int, int]) -> None:
    sda = module((name,), "avg")
    x = torch.randn(1, 20, *size, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(sda(x), reference(sda, x), rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(1, 2, 2), (4, 4, 6), (3, 7, 5)])
@pytest.mark.parametrize("aggregation", ["avg", "sec"])
@pytest.mark.parametrize("dependencies", [FOUR, ("S222", "S144", "S122"), ("LS", "2x1x1/1x3x3")])
def test_aggregated_dependencies_equal_the_loops(
    dependencies: tuple[str, ...], aggregation: str, size: tuple[int, int, int]
) -> None:
    sda = module(dependencies, aggregation)
    x = torch.randn(2, 20, *size, dtype=torch.float64)
    with torch.no_grad():
        out = sda(x)
    torch.testing.assert_close(out, reference(sda, x), rtol=0, atol=1e-10)
    assert (out - 0.5 * x).abs().max() > 0.1, "gates that say something"


def test_uniform_weights_equal_averaging() -> None:
    selecting, averaging = module(FOUR, "sec"), module(FOUR, "avg")
    averaging.load_state_dict(
        {key: value for key, value in selecting.state_dict().items() if key != "query"}
    )
    x = torch.randn(3, 20, 4, 6, 6, dtype=torch.float64)
    point = selecting.hook_dependency_weights
    point.name = "weights"
    with torch.no_grad(), capture((), interventions={"weights": lambda w: 0 * w + 0.25}):
        uniform = selecting(x)
    with torch.no_grad():
        torch.testing.assert_close(uniform, averaging(x), rtol=0, atol=1e-12)
        assert (selecting(x) - uniform).abs().max() > 1e-3, "the query had chosen otherwise"


@pytest.mark.parametrize("place", range(4))
def test_all_the_weight_on_one_dependency_equals_its_single_variant(place: int) -> None:
    many, single = module(FOUR, "sec"), module((FOUR[place],), "avg")
    mine = f"mdm.{place}."
    single.load_state_dict(
        {
            key.replace(mine, "mdm.0."): value
            for key, value in many.state_dict().items()
            if key != "query" and (key.startswith(mine) or not key.startswith("mdm."))
        }
    )
    many.hook_dependency_weights.name = "weights"
    x = torch.randn(2, 20, 4, 5, 6, dtype=torch.float64)
    alone = functional.one_hot(torch.tensor(place), 4).double().expand(2, 4)
    with torch.no_grad(), capture((), interventions={"weights": lambda w: alone}):
        out = many(x)
    with torch.no_grad():
        torch.testing.assert_close(out, single(x), rtol=0, atol=1e-12)


def test_the_gate_under_averaging_is_that_of_uniform_weights() -> None:
    sda = module(FOUR, "sec")
    for name, point in sda.named_children():
        point.name = name
    x = torch.randn(2, 20, 4, 6, 6, dtype=torch.float64)
    with torch.no_grad(), capture(["hook_average_gate", "hook_gate"]) as own:
        sda(x)
    uniform = {"hook_dependency_weights": lambda w: torch.full_like(w, 0.25)}
    with torch.no_grad(), capture(["hook_gate"], interventions=uniform) as averaged:
        sda(x)
    assert own["hook_average_gate"].shape == (2, 4, 6, 6)
    torch.testing.assert_close(own["hook_average_gate"], averaged["hook_gate"])
    assert (own["hook_average_gate"] - own["hook_gate"]).abs().max() > 1e-3


def test_a_point_that_nobody_wants_computes_no_second_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    sda, calls = module(FOUR, "sec"), []
    gate = sda.gate
    monkeypatch.setattr(sda, "gate", lambda *args: calls.append(1) or gate(*args))
    x = torch.randn(1, 20, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        sda(x)
        with capture([]):
            sda(x)
    assert len(calls) == 2
    sda.hook_average_gate.name = "average"
    with torch.no_grad(), capture(["average"]):
        sda(x)
    assert len(calls) == 4


def test_stored_responses_are_mean_and_mean_square_over_channels() -> None:
    branch = module(FOUR, "sec").mdm[3]
    branch.hook_response.name = "response"
    x = torch.randn(2, 16, 4, 6, 6, dtype=torch.float64).relu()
    with torch.no_grad(), capture() as captured:
        response = branch(x)
    assert captured["response"].shape == (2, 2, 4, 3, 3)
    expected = torch.stack([response.mean(1), response.square().mean(1)], 1)
    torch.testing.assert_close(captured["response"], expected.float())


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_right(training: bool) -> None:
    sda = module(FOUR, "sec", channels=16).train(training)
    x = torch.randn(2, 16, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sda, (x,), fast_mode=True)


def test_clips_of_a_batch_and_any_number_of_frames() -> None:
    sda = module(FOUR, "sec")
    for frames in (1, 2, 7, 16):
        x = torch.randn(3, 20, frames, 4, 4, dtype=torch.float64)
        with torch.no_grad():
            alone = torch.cat([sda(clip[None]) for clip in x])
            torch.testing.assert_close(sda(x), alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "reduction", "reduced"), [(64, 4, 16), (512, 4, 128),
                                                                 (64, 16, 16), (256, 2, 128)])
def test_channels_are_reduced_to_16_at_least(channels: int, reduction: int, reduced: int) -> None:
    assert SDA(channels, FOUR, reduction).down.out_channels == reduced


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_it_stands_after_the_second_normalisation(
    kind: type[BasicBlock] | type[Bottleneck]
) -> None:
    torch.manual_seed(1)
    block = kind(16, 16, 1, (1, 1))
    network = nn.Module()
    network.layer1 = nn.Sequential(block)
    plain = copy.deepcopy(block).double().eval()
    insert_sda(network, stages=(2,))
    stir(network)
    network.double().eval()
    own = {k: v for k, v in block.state_dict().items() if not k.startswith("sda.")}
    plain.load_state_dict(own)
    x = torch.randn(2, 16, 3, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        inner = plain.relu(plain.bn1(plain.conv1(x)))
        inner = block.sda(plain.bn2(plain.conv2(inner)))
        if isinstance(plain, Bottleneck):
            inner = plain.bn3(plain.conv3(plain.relu(inner)))
        shortcut = x if plain.downsample is None else plain.downsample(x)
        torch.testing.assert_close(block(x), plain.relu(inner + shortcut), rtol=0, atol=1e-12)
        assert not torch.allclose(block(x), plain(x), atol=1e-3)


def test_the_order_of_frames_changes_sda_and_not_tsn() -> None:
    clips = torch.randn(2, 8, 3, 1, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for name, changes in (("tsn_synth", False), ("sda_tsn_synth", True)):
            network = tiny(name).double()
            difference = (network(clips.flip(1)) - network(clips)).abs().max()
            assert bool(difference > 1e-2) == changes
            assert changes or bool(difference < 1e-12)


@pytest.mark.parametrize("text", ["LSX", "2x2x2", "0x1x1/1x1x1", "1x1x1/2x1x1", "HxTxW/1x1x1", ""])
def test_what_is_no_dependency_is_refused_in_words(text: str) -> None:
    with pytest.raises(ModelError, match=r"dependency .*LST, LT, LS, S122.*1x2x2/3x1x1"):
        SDA(64, (text,), aggregation="avg")


def test_choices_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ModelError, match="at least 2 to select among"):
        SDA(64, ("LST",))
    with pytest.raises(ModelError, match="LT, LT"):
        SDA(64, ("LT", "LT"))
    with pytest.raises(ModelError, match="none for avg"):
        SDA(64, (), aggregation="avg")
    with pytest.raises(ModelError, match="'max'"):
        SDA(64, FOUR, aggregation="max")  # type: ignore[arg-type]


def test_an_excitation_knows_its_kernels() -> None:
    branch = Excitation(16, Dependency.parse("1x3x3/3x1x1"))
    assert branch.conv.kernel_size == (3, 1, 1)
    assert branch.dependency.pool == (1, 3, 3)
    assert branch(torch.zeros(1, 16, 8, 9, 7)).shape == (1, 16, 8, 3, 2)
