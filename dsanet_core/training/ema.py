"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """The average of parameters and buffers over the steps so far: decay of what was, 1 - decay of
    what is. Whole numbers are taken as they are."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {key: value.clone() for key, value in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - self.decay)
            else:
                self.values[key].copy_(value)

    def exchange(self, network: nn.Module) -> None:
        """The network gets the average and this what the network had."""
        with torch.no_grad():
            for key, value in network.state_dict().items():
                had = value.clone()
                value.copy_(self.values[key])
                self.values[key].copy_(had)

    @contextmanager
    def shown(self, network: nn.Module) -> Iterator[None]:
        """The network is the average while the block runs."""
        self.exchange(network)
        try:
            yield
        finally:
            self.exchange(network)
