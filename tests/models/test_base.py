import torch

from dsanet_core.models.base import channel_statistics


def test_statistics_of_a_channel() -> None:
    frames = torch.tensor([[1.0, 3.0], [2.0, 6.0]])              # two frames of two pixels
    x = frames.view(1, 1, 2, 1, 2).repeat(2, 3, 1, 1, 1)         # (S, C, T, H, W)
    mean, deviation, change = channel_statistics(x).unbind(-1)
    assert mean.shape == (2, 3)
    torch.testing.assert_close(mean, torch.full((2, 3), 3.0))
    torch.testing.assert_close(deviation, torch.full((2, 3), 3.5**0.5))
    torch.testing.assert_close(change, torch.full((2, 3), 2.0))


def test_one_frame_does_not_change() -> None:
    assert (channel_statistics(torch.randn(2, 3, 1, 4, 4))[..., 2] == 0).all()
