"""Every row of the zoo runs: other sizes, other clip lengths, gradients to every parameter."""

from __future__ import annotations

import pytest
import torch

from dsanet_core.zoo import create_model, list_models
from tests.models.networks import stir


def longer(name: str, snippets: int, frames: int) -> tuple[int, int]:
    """A clip of twice the frames: more of them in a snippet, or more snippets of one frame."""
    return (2 * snippets, frames) if frames == 1 else (snippets, 2 * frames)


@pytest.mark.parametrize("name", list_models())
def test_a_row_takes_two_sizes_and_two_clip_lengths(name: str) -> None:
    torch.manual_seed(0)
    network = create_model(name, num_classes=7).eval()
    protocol = network.spec.protocol
    own = (protocol.group_size, protocol.sampling.frames_per_snippet)
    logits = []
    with torch.no_grad():
        for (snippets, frames), (height, width) in [
            (own, (32, 32)), (own, (48, 64)), (longer(name, *own), (32, 32)),
        ]:
            logits.append(network(torch.randn(2, snippets, 3, frames, height, width)))
    for answer in logits:
        assert answer.shape == (2, 7)
        assert bool(answer.isfinite().all())
    assert len({float(answer.sum()) for answer in logits}) == 3


@pytest.mark.parametrize("name", list_models())
def test_gradients_reach_every_parameter_of_a_row(name: str) -> None:
    torch.manual_seed(0)
    network = create_model(name, num_classes=7)
    stir(network)
    protocol = network.spec.protocol
    shape = (2, protocol.group_size, 3, protocol.sampling.frames_per_snippet, 32, 32)
    network(torch.randn(shape)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert bool(parameter.grad.isfinite().all()), key
        assert bool((parameter.grad != 0).any()), key
