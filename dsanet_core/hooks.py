"""Named hook points inside the networks, and the collector that listens to them.

A `HookPoint` is a module without parameters that returns its input. `capture()` puts a collector
into a `ContextVar`; only forwards that run in the same context (thread, task) are seen by it, so
one model can serve several sessions at once without mixing what they capture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

Intervention = Callable[[Tensor], Tensor]


class Captured(dict[str, Tensor]):
    """Values of one `capture()`: hook point name -> tensor on the host, in order of execution.

    A point that fires several times inside one `with` keeps every value, concatenated along the
    first dimension (clips, or snippets of clips, in the order they were run).
    """

    def __init__(self, names: tuple[str, ...] | None, interventions: Mapping[str, Intervention]):
        super().__init__()
        self._names = names
        self._interventions = dict(interventions)

    def wants(self, name: str) -> bool:
        return self._names is None or any(fnmatchcase(name, pattern) for pattern in self._names)

    def visit(self, name: str, value: Tensor, store: Intervention | None) -> Tensor:
        """Apply the intervention of this point, if any, and keep a copy of what goes on."""
        intervention = self._interventions.get(name)
        if intervention is not None:
            replaced = intervention(value)
            if replaced.shape != value.shape:
                raise ValueError(
                    f"intervention at {name} returned {tuple(replaced.shape)}; "
                    f"expected {tuple(value.shape)}"
                )
            value = replaced
        if self.wants(name):
            seen = value.detach() if store is None else store(value.detach())
            seen = seen.to("cpu", torch.float32, copy=True)
            self[name] = torch.cat([self[name], seen]) if name in self else seen
        return value


_collector: ContextVar[Captured | None] = ContextVar("dsanet_core_collector", default=None)


class HookPoint(nn.Module):
    """Identity with a name and named dimensions.

    dims: of what a collector keeps of the tensor that passes: all of it, or what `store` makes of
    it, where the whole would be too large to keep.
    `name` is filled in by `name_hook_points` with the dotted path of the point in its network.
    """

    def __init__(self, *dims: str, store: Intervention | None = None) -> None:
        super().__init__()
        self.dims = dims
        self.store = store
        self.name = ""

    def forward(self, x: Tensor) -> Tensor:
        collector = _collector.get()
        return x if collector is None else collector.visit(self.name, x, self.store)

    @property
    def is_wanted(self) -> bool:
        """True if a collector wants this point, for values that are computed for it alone."""
        collector = _collector.get()
        return collector is not None and collector.wants(self.name)

    def extra_repr(self) -> str:
        return ", ".join(self.dims)


def name_hook_points(network: nn.Module) -> None:
    """Give every hook point of a finished network its dotted path as its name."""
    for name, point in hook_points(network).items():
        point.name = name


def hook_points(network: nn.Module) -> dict[str, HookPoint]:
    """Every hook point of a network by dotted path, in order of registration."""
    return {name: m for name, m in network.named_modules() if isinstance(m, HookPoint)}


@contextmanager
def capture(
    names: Iterable[str] | None = None,
    *,
    interventions: Mapping[str, Intervention] | None = None,
) -> Iterator[Captured]:
    """Collect what passes the hook points of forwards run inside the `with` block.

    names: hook point names or shell patterns (`"*.hook_kernel"`); None collects all, `()` nothing.
    interventions: name -> function of the tensor; the network goes on with what it returns
    (same shape, else ValueError), and that is what is collected.

    Only this context is affected: other threads that use the same model are neither seen nor
    changed. Blocks nest; the innermost one listens.
    """
    patterns = None if names is None else tuple(names)
    captured = Captured(patterns, interventions or {})
    token = _collector.set(captured)
    try:
        yield captured
    finally:
        _collector.reset(token)
