"""Features on grids of several sizes: pooling, sums and copies, each on the coarsest grid that it
needs. A grid is the (T, H, W) of a feature (B, C, T, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from dsanet_core.models.base import Size, mean_of_rows, size_of


def pool_to(x: Tensor, grid: Size) -> Tensor:
    """Average pooling of (B, C, T, H, W) to (B, C, *grid), adaptive as PyTorch's.

    Over space and then over time, each as an image: on a CPU up to ten times faster than in three
    dimensions.
    """
    frames, places = x.shape[2], grid[1:]
    if places != x.shape[3:]:
        images = x.transpose(1, 2).flatten(0, 1)                            # (B*T, C, H, W)
        images = functional.adaptive_avg_pool2d(images, places)
        x = torch.unflatten(images, 0, (-1, frames)).transpose(1, 2)        # (B, C, T, h, w)
    if grid[0] == frames:
        return x
    if grid[0] > 1:
        rows = functional.adaptive_avg_pool2d(x.flatten(3), (grid[0], x[0, 0, 0].numel()))
        return torch.unflatten(rows, 3, places)
    last = x.permute(0, 2, 3, 4, 1)                                         # (B, T, h, w, C)
    mean = mean_of_rows(last.flatten(2)).to(x.dtype)                        # (B, h*w*C)
    return mean.view(len(x), 1, *last.shape[2:]).permute(0, 4, 1, 2, 3)


def resize_to(x: Tensor, size: Size) -> Tensor:
    """A feature of a grid at full size, except along axes of one place: those broadcast."""
    t, h, w = (1 if places == 1 else full for places, full in zip(x.shape[2:], size, strict=True))
    return pool_to(x, (t, h, w))


def divides(grid: Size, finer: Size) -> bool:
    """True if every place of a grid is made of equally many of a finer one."""
    return not any(full % places for full, places in zip(finer, grid, strict=True))


@lru_cache(maxsize=256)
def pool_plan(grids: tuple[Size, ...], size: Size) -> tuple[tuple[Size, Size], ...]:
    """Pairs (grid, source) in the order to pool in, from a feature of this size to these grids: the
    source is the coarsest one before that gives the same. So the feature itself is read once or
    twice for all of them."""
    steps: dict[Size, Size] = {}
    for grid in sorted(set(grids), key=prod, reverse=True):
        exact = [known for known in steps if divides(known, size) and divides(grid, known)]
        steps[grid] = min(exact, key=prod, default=size)
    return tuple(steps.items())


@lru_cache(maxsize=256)
def sum_plan(grids: tuple[Size, ...]) -> tuple[tuple[int, ...], ...]:
    """Groups of features on these grids, by index, to add up from coarse to fine, so that no sum
    needs a finer grid than the finest of its terms."""
    groups: list[list[int]] = []
    for place in sorted(range(len(grids)), key=lambda at: prod(grids[at])):
        inside = [group for group in groups if divides(grids[group[-1]], grids[place])]
        groups = [group for group in groups if group not in inside]
        groups.append([*(at for group in inside for at in group), place])
    return tuple(map(tuple, groups))


def add_grids(a: Tensor, b: Tensor, size: Size) -> Tensor:
    """a + b of two grids that divide the size, on the finest that they need. Nothing is copied
    before it is added, but where along an axis neither's places divide the other's."""
    pairs = list(zip(size_of(a), size_of(b), strict=True))
    if any(m % n and n % m for m, n in pairs):
        a, b = resize_to(a, size), resize_to(b, size)
    elif not all(m == n or 1 in (m, n) for m, n in pairs):
        for axis, (m, n) in zip((4, 3, 2), reversed(pairs), strict=True):
            common = min(m, n) if 1 not in (m, n) else m * n
            a, b = (torch.unflatten(x, axis, (min(x.shape[axis], common), -1)) for x in (a, b))
        return (a + b).flatten(6, 7).flatten(4, 5).flatten(2, 3)  # places, places within them
    return a + b


def even(x: Tensor, size: Size) -> Tensor:
    """x itself where its grid divides the size, so that all its places weigh the same; else x at
    that size."""
    return x if divides(size_of(x), size) else resize_to(x, size)


def sum_grids(parts: Sequence[Tensor], size: Size) -> Tensor:
    """The sum of features of several grids, on the finest that it needs."""
    return reduce(partial(add_grids, size=size), (even(part, size) for part in parts))
