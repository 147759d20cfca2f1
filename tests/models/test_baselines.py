"""What the papers measured themselves against: temporal shift, SE, 4D convolution, GST, C3D."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from dsanet_core.errors import ModelError
from dsanet_core.models.baselines import (
    FourDConvolution,
    GroupedConvolution,
    SqueezeExcitation,
    TemporalShift,
    group_convolutions,
)
from dsanet_core.models.resnet import VideoResNet
from dsanet_core.zoo import create_model
from tests.models.networks import stir


def numbered(channels: int, frames: int) -> Tensor:
    """(1, channels, frames, 1, 1) whose values are 100 * channel + frame + 1."""
    channel, frame = torch.meshgrid(torch.arange(channels), torch.arange(frames), indexing="ij")
    return (100 * channel + frame + 1).double()[None, :, :, None, None]


def test_the_shift_moves_an_eighth_back_and_an_eighth_forth() -> None:
    out = TemporalShift(8)(numbered(20, 4))[0, :, :, 0, 0]
    for channel in range(20):
        first = 100 * channel
        own = [first + frame for frame in (1, 2, 3, 4)]
        if channel < 2:
            own = [*own[1:], 0]
        elif channel < 4:
            own = [0, *own[:-1]]
        assert out[channel].tolist() == own


def test_one_frame_has_nothing_to_shift_in() -> None:
    out = TemporalShift(4)(numbered(8, 1))
    assert out.flatten().tolist() == [0, 0, 0, 0, 401, 501, 601, 701]


def shifted_blocks(name: str) -> list[str]:
    with torch.device("meta"):
        network = create_model(name)
    found = (name for name, m in network.named_modules() if isinstance(m, TemporalShift))
    return [block.removesuffix(".shift") for block in found]


def test_tsm_shifts_every_block_and_with_101_layers_every_second_one() -> None:
    counts = {"tsm_r18": (2, 2, 2, 2), "tsm_r50": (3, 4, 6, 3), "tsm_r101": (3, 4, 23, 3)}
    for name, blocks in counts.items():
        step = 2 if name == "tsm_r101" else 1
        assert shifted_blocks(name) == [
            f"layer{stage}.{block}"
            for stage, count in enumerate(blocks, 1)
            for block in range(0, count, step)
        ]


def test_the_shift_stays_on_the_residual_branch() -> None:
    network = create_model("tsm_r18", num_classes=5).double().eval()
    block = network.get_submodule("layer1.0")
    seen: dict[str, Tensor] = {}
    block.conv1.register_forward_hook(lambda m, inputs, out: seen.update(inner=inputs[0]))
    x = torch.randn(1, 64, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        out = block(x)
        branch = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(block.before1(x))))))
        torch.testing.assert_close(out, block.relu(branch + x))
    torch.testing.assert_close(seen["inner"], TemporalShift()(x))


def test_se_rescales_channels_by_their_global_averages() -> None:
    torch.manual_seed(0)
    se = SqueezeExcitation(32, 16).double()
    x = torch.randn(2, 32, 3, 4, 5, dtype=torch.float64)
    first, _, second, _ = se.excite
    with torch.no_grad():
        averages = x.flatten(2).mean(-1)
        hidden = (averages @ first.weight.T + first.bias).clamp(min=0)
        gate = 1 / (1 + torch.exp(-(hidden @ second.weight.T + second.bias)))
        torch.testing.assert_close(se(x), x * gate[:, :, None, None, None])
    assert first.out_features == 2


def test_se_stands_where_dsa_stands() -> None:
    with torch.device("meta"):
        names = {
            kind: [
                name.removesuffix(f".{kind}")
                for name, _ in create_model(f"{kind}_i3d_r50").named_modules()
                if name.endswith(f".{kind}")
            ]
            for kind in ("dsa", "se")
        }
    assert names["se"] == names["dsa"] != []


def test_the_4d_convolution_equals_loops_over_snippets_and_frames() -> None:
    torch.manual_seed(0)
    module = FourDConvolution(3, 4)
    stir(module)
    module.double().eval()
    x = torch.randn(8, 3, 2, 2, 2, dtype=torch.float64)  # 2 clips of 4 snippets of 2 frames
    weight, bn = module.conv.weight.detach(), module.bn
    expected = x.clone()
    for clip, u, t in itertools.product(range(2), range(4), range(2)):
        total = torch.zeros(3, 2, 2, dtype=torch.float64)
        for du, dt in itertools.product((-1, 0, 1), (-1, 0, 1)):
            if 0 <= u + du < 4 and 0 <= t + dt < 2:
                tap = weight[:, :, du + 1, dt + 1, 0]
                source = x[4 * clip + u + du, :, t + dt]
                total += (tap @ source.flatten(1)).view(3, 2, 2)
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        normal = (total - bn.running_mean[:, None, None]) * scale[:, None, None]
        expected[4 * clip + u, :, t] += (normal + bn.bias[:, None, None]).detach()
    with torch.no_grad():
        torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-10)
    with pytest.raises(ModelError, match="multiple of 4"):
        module(x[:6])


def test_v4d_starts_as_averaging_and_then_sees_the_order_of_snippets() -> None:
    torch.manual_seed(0)
    network = create_model("v4d_i3d_r18", num_classes=5).double().eval()
    plain = create_model("tsn_i3d_r18", num_classes=5).double().eval()
    own = network.state_dict()
    plain.load_state_dict({key: own[key] for key in plain.state_dict()})
    assert [n for n, m in network.named_modules() if isinstance(m, FourDConvolution)] == [
        "layer2.1.fourd", "layer3.1.fourd",
    ]
    clips = torch.randn(1, 4, 3, 2, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(clips), plain(clips), rtol=0, atol=1e-12)
        stir(network)
        assert (network(clips) - network(clips.flip(1))).abs().max() > 1e-3


def test_gst_splits_a_convolution_into_a_static_and_a_temporal_group() -> None:
    torch.manual_seed(0)
    module = GroupedConvolution(16, 2).double()
    assert module.spatial.weight.shape == (12, 8, 1, 3, 3)
    assert module.temporal.weight.shape == (4, 8, 3, 3, 3)
    x = torch.randn(1, 16, 3, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        out = module(x)
        assert out.shape == (1, 16, 3, 3, 3)
        other = x.clone()
        other[:, :, 0] = 0                       # another first frame
        moved = (module(other) - out).abs().amax((0, 3, 4)) > 1e-9
        assert not moved[:12, 1:].any() and moved[:12, 0].all()
        assert moved[12:, :2].all() and not moved[12:, 2].any()
        other = x.clone()
        other[:, 8:] = 0                         # another second half of the channels
        moved = (module(other) - out).abs().amax((0, 2, 3, 4)) > 1e-9
        assert not moved[:12].any() and moved[12:].all()


def test_gst_needs_bottlenecks() -> None:
    with pytest.raises(ModelError, match=r"BasicBlock.*depth 50"):
        group_convolutions(VideoResNet(18, 5, temporal="none", width=8))


@pytest.mark.parametrize(
    ("depth", "kernels"),
    [(50, [(1, 1, 1), (3, 3, 3), (1, 1, 1)]), (18, [(3, 3, 3), (3, 3, 3)])],
)
def test_c3d_has_cubes_for_squares(depth: int, kernels: list[tuple[int, ...]]) -> None:
    network = VideoResNet(depth, 5, temporal="c3d", width=8)
    for stage in (1, 2, 3, 4):
        for block in network.get_submodule(f"layer{stage}"):
            convs = [m for n, m in block.named_children() if n.startswith("conv")]
            assert [conv.kernel_size for conv in convs] == kernels


def test_frames_of_a_clip_lie_along_one_axis_or_snippet_by_snippet() -> None:
    """With axis "snippet" a temporal kernel stays inside a snippet, with "clip" it does not."""
    torch.manual_seed(0)
    clips = torch.randn(1, 3, 3, 4, 16, 16, dtype=torch.float64)
    other = clips.clone()
    other[:, 2] += 1
    for axis, alone in (("snippet", True), ("clip", False)):
        network = VideoResNet(18, 5, temporal="c3d", axis=axis, width=4)  # type: ignore[arg-type]
        stir(network)
        network.double().eval()
        with torch.no_grad():
            moved = (network.encode(clips) - network.encode(other)).abs().amax((0, 2)) > 1e-9
        assert moved.tolist() == ([False, False, True] if alone else [True, True, True])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": 34}, "depth 34"),
        ({"temporal": "2d"}, "temporal '2d'"),
        ({"axis": "video"}, "axis 'video'"),
    ],
)
def test_other_choices_are_refused_in_words(wrong: dict[str, object], message: str) -> None:
    choices = {"depth": 18, "num_classes": 5, "temporal": "none", "width": 4} | wrong
    with pytest.raises(ModelError, match=message):
        VideoResNet(**choices)  # type: ignore[arg-type]
