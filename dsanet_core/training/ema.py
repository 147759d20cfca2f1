"""An exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average of parameters and buffers: average = decay * average
    + (1 - decay) * value. Integer buffers are copied."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {key: value.clone() for key, value in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - self.decay)
            else:
                self.values[key].copy_(value)

    def swap(self, network: nn.Module) -> None:
        """Exchange the average with the values of the network."""
        with torch.no_grad():
            for key, value in network.state_dict().items():
                previous = value.clone()
                value.copy_(self.values[key])
                self.values[key].copy_(previous)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Context in which the network has the averaged weights."""
        self.swap(network)
        try:
            yield
        finally:
            self.swap(network)
