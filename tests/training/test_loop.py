"""The loop: learning, the same numbers however the work is divided or interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dsanet_core.errors import CheckpointError, LensError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.training import Recipe, fit
from dsanet_core.training.data import RenderedVideos
from dsanet_core.training.loop import video_losses
from dsanet_core.training.recipe import Optimizer
from tests.training.small import EXACT, TINY, network_of, trained, videos


def same_weights(one: VideoNetwork, other: VideoNetwork) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_training_learns() -> None:
    recipe = replace(TINY, epochs=12, learning_rate=0.02, warmup=1)
    _, losses, lines = trained(recipe)
    assert losses[0] > 2.8 and losses[-1] < losses[0] - 0.8
    assert len(losses) == 24 and lines[-1].startswith("epoch 12/12 loss ")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    tmp_path: Path, optimizer: Optimizer
) -> None:
    recipe = replace(TINY, optimizer=optimizer)
    whole, losses, _ = trained(recipe)
    state = tmp_path / "state.pt"
    _, first, _ = trained(recipe, state_path=state, stop_after=1)
    parts, continued, lines = trained(recipe, state_path=state)
    assert lines[0] == "continuing after epoch 1"
    assert continued == losses and first == losses[:2]
    assert same_weights(whole, parts)


@dataclass(frozen=True)
class Breaking:
    """Videos whose reading fails for good after so many."""

    inner: RenderedVideos
    left: list[None]

    labels = property(lambda self: self.inner.labels)
    fingerprint = property(lambda self: self.inner.fingerprint)

    def frames(self, row: int, *rest: Any) -> Any:
        if not self.left:
            raise KeyboardInterrupt
        self.left.pop()
        return self.inner.frames(row, *rest)

    def name(self, row: int) -> str:
        return self.inner.name(row)


def test_a_training_that_stopped_within_an_epoch_goes_on_within_it(tmp_path: Path) -> None:
    whole, losses, _ = trained(average=0.5)
    state = tmp_path / "state.pt"
    how = {"state_path": state, "state_seconds": 0.0, "average": 0.5}
    with pytest.raises(KeyboardInterrupt):
        trained(source=Breaking(videos(), [None] * 8), **how)
    rest, continued, lines = trained(**how)
    assert lines[0] == "continuing after epoch 0 and 1 steps"
    assert continued == losses and same_weights(whole, rest)


def test_a_damaged_state_is_a_message(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    trained(state_path=state, stop_after=1)
    state.write_bytes(state.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"state.pt cannot be read .*Delete it to start over"):
        trained(state_path=state)
    torch.save({"losses": []}, state)
    with pytest.raises(CheckpointError, match="keys are missing"):
        trained(state_path=state)


@pytest.mark.parametrize(
    ("recipe", "more", "named"),
    [
        (replace(TINY, weight_decay=0.0), {}, r"weight_decay '0.0005', not '0.0'"),
        (TINY, {"seed": 1}, r"seed '0', not '1'"),
        (TINY, {"source": videos(24)}, r"data 'drawn 16', not 'drawn 24'"),
    ],
)
def test_the_state_of_another_training_is_refused(
    tmp_path: Path, recipe: Recipe, more: dict[str, Any], named: str
) -> None:
    trained(state_path=tmp_path / "state.pt", stop_after=1)
    with pytest.raises(LensError, match=f"another training .{named}"):
        trained(recipe, state_path=tmp_path / "state.pt", **more)


@pytest.mark.parametrize("accumulate", [2, 8])
def test_accumulated_batches_learn_as_one(accumulate: int) -> None:
    recipe = replace(EXACT, epochs=4)
    whole, losses, _ = trained(recipe)
    parts, divided, _ = trained(recipe, accumulate=accumulate)
    np.testing.assert_allclose(divided, losses, atol=1e-5)
    for (name, a), b in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name
    assert max(losses) - min(losses) > 0.02


def test_a_clipped_gradient_moves_the_weights_no_further_than_its_norm() -> None:
    recipe = replace(TINY, epochs=1, clip_norm=0.01, momentum=0.0, nesterov=False, warmup=0,
                     learning_rate=1.0, weight_decay=0.0, schedule="steps")
    before = network_of(recipe)
    after, losses, _ = trained(recipe)
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    moved = sum(float((a - b).detach().square().sum()) for a, b in pairs) ** 0.5
    assert 0.005 < moved <= 0.01 * len(losses)


def test_the_average_of_the_weights_is_off_unless_asked_for_and_lags_behind() -> None:
    start = network_of(TINY).fc.weight.detach()
    last, _, _ = trained()
    average, losses, _ = trained(average=0.9)
    same, again, _ = trained(average=1e-9)
    assert losses == again
    assert torch.allclose(same.fc.weight, last.fc.weight, atol=1e-6)
    lag, whole = ((net.fc.weight.detach() - start).norm() for net in (average, last))
    assert 0 < lag < 0.6 * whole
    buffers = zip(average.buffers(), last.buffers(), strict=True)
    assert all(a.dtype == b.dtype for a, b in buffers)


def test_a_loss_that_is_not_finite_stops_the_training_and_leaves_the_state(tmp_path: Path) -> None:
    recipe = replace(TINY, learning_rate=1e12, warmup=0, schedule="steps", epochs=3)
    with pytest.raises(LensError, match=r"loss (nan|inf) in step \d+.*Lower the learning rate"):
        trained(recipe, state_path=tmp_path / "state.pt")
    if (tmp_path / "state.pt").exists():
        kept = torch.load(tmp_path / "state.pt", weights_only=True)
        assert np.isfinite(kept["losses"]).all()


def test_float16_without_a_gpu_is_refused() -> None:
    with pytest.raises(LensError, match="float16 on a CPU; expected a GPU"):
        trained(replace(TINY, precision="float16"))


@pytest.mark.parametrize(
    ("accumulate", "batch", "said"),
    [(3, 8, "8 videos per step .* a multiple of 3"), (1, 17, "17 videos per step of 16 in all")],
)
def test_a_batch_that_does_not_divide_is_refused(accumulate: int, batch: int, said: str) -> None:
    with pytest.raises(LensError, match=said):
        trained(replace(TINY, videos_per_step=batch), accumulate=accumulate)


@dataclass(frozen=True)
class SomeUnreadable:
    """Videos of which some cannot be read."""

    inner: RenderedVideos
    rows: Sequence[int]

    labels = property(lambda self: self.inner.labels)
    fingerprint = property(lambda self: self.inner.fingerprint)

    def frames(self, row: int, *rest: Any) -> Any:
        if row in self.rows:
            raise VideoError("broken.mp4", "a video", "Mend it.")
        return self.inner.frames(row, *rest)

    def name(self, row: int) -> str:
        return f"videos/{row}.mp4"


@pytest.mark.parametrize("accumulate", [1, 8])
def test_unreadable_videos_are_left_out_and_told_of_however_they_fall(accumulate: int) -> None:
    source = SomeUnreadable(videos(), (3, 9))
    _, losses, lines = trained(EXACT, source=source, accumulate=accumulate)
    _, whole, _ = trained(EXACT)
    assert [line for line in lines if "left out" in line] == 2 * [
        "left out 2 videos that could not be read, such as videos/3.mp4: broken.mp4; expected a "
        "video. Mend it."
    ]
    np.testing.assert_allclose(losses, trained(EXACT, source=source)[1], atol=1e-5)
    assert not np.allclose(losses, whole, atol=1e-4)


def test_a_training_of_unreadable_videos_alone_goes_through() -> None:
    network, losses, _ = trained(
        EXACT, source=SomeUnreadable(videos(), range(16)), accumulate=2
    )
    assert losses == [0.0] * 4
    assert all(torch.isfinite(value).all() for value in network.parameters())


@pytest.mark.parametrize(("group_size", "clips_of"), [
    (1, [[0], [1], [2], [3]]), (2, [[0, 2], [1, 3]]), (4, [[0, 1, 2, 3]]),
])
def test_every_clip_of_a_video_is_learned_from(group_size: int, clips_of: list[list[int]]) -> None:
    """Snippets in interleaved clips, a loss for each and their mean for the video."""
    seen: list[torch.Tensor] = []

    class Scores(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x.mean((1, 2, 3, 4))

    clips, labels = torch.randn(2, 4, 3, 4, 8, 25), torch.tensor([0, 1])
    losses = video_losses(Scores(), clips, labels, group_size)
    expected = [clips[:, which] for which in clips_of]
    assert torch.equal(seen[0], torch.stack(expected, 1).flatten(0, 1))
    alone = [torch.nn.functional.cross_entropy(clip.mean((1, 2, 3, 4)), labels, reduction="none")
             for clip in expected]
    assert torch.allclose(losses, torch.stack(alone).mean(0))


def test_snippets_that_make_no_whole_clip_are_refused() -> None:
    with pytest.raises(LensError, match="6 snippets of a video for clips of 4"):
        trained(replace(TINY, snippets=6))


def test_new_parameters_and_biases_learn_at_their_own_rates() -> None:
    recipe = replace(TINY, epochs=1, momentum=0.0, nesterov=False, weight_decay=0.0, warmup=0,
                     learning_rate=0.01, schedule="steps", videos_per_step=16, norm="frozen",
                     dropout=0.0, precision="float32")
    start = dict(network_of(recipe).named_parameters())
    plain, _, _ = trained(recipe)
    kernel, bias = "layer2.1.dsa.generate.3.weight", "fc.bias"
    faster, _, _ = trained(replace(recipe, new_rate=5.0, bias_rate=2.0), new=frozenset([kernel]))

    def step(network: VideoNetwork, name: str) -> torch.Tensor:
        return (network.get_parameter(name) - start[name]).detach()

    assert torch.allclose(step(faster, kernel), 5 * step(plain, kernel), atol=1e-7)
    assert torch.allclose(step(faster, bias), 2 * step(plain, bias), atol=1e-7)
    assert torch.allclose(step(faster, "fc.weight"), step(plain, "fc.weight"), atol=1e-7)


def test_a_network_is_given_and_stays_the_same_object() -> None:
    network = network_of(TINY)
    fit(replace(TINY, epochs=1), network, videos(), log=lambda line: None)
    assert not network.training
