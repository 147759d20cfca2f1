"""The explained logit of a model as a function of its input, and the baselines that replace absent
parts of that input.

The network may be shared with other threads: nothing is registered on it and no `.grad` is filled;
features are taken at hook points, which only the caller's own forwards reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dsanet_core.analysis import protocol_of, rows_per_batch
from dsanet_core.errors import ModelError
from dsanet_core.hooks import Intervention, capture
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Array, Protocol

SCORES = "hook_snippet_scores"
FEATURES = "hook_res5"
"""Where the last convolution's features pass: after the last stage, before they are pooled."""

Share = Callable[[float], None]
"""Called with the done share, 0 to 1, before every chunk of work; an exception ends the work."""


@dataclass(frozen=True)
class Explained:
    """A category's logit of the whole video (snippet None: mean over the views), or that of one
    snippet (mean over the views that see it).

    Raises ModelError for a network in training mode, or a category or snippet that is not there.
    """

    network: VideoNetwork
    category: int
    snippet: int | None = None

    def __post_init__(self) -> None:
        if self.network.training:
            raise ModelError("a network in training mode", "evaluation mode", "Call .eval() first.")
        snippets = self.protocol.sampling.num_snippets
        if self.snippet is not None and not 0 <= self.snippet < snippets:
            raise ModelError(
                f"snippet {self.snippet}", f"0 to {snippets - 1}", "Snippets count from 0."
            )
        classes = len(self.network.spec.classes)
        if not 0 <= self.category < classes:
            raise ModelError(
                f"category {self.category}", f"0 to {classes - 1}", "Categories count from 0."
            )

    @cached_property
    def protocol(self) -> Protocol:
        return protocol_of(self.network)

    @property
    def views(self) -> list[int]:
        """Indices of the views that the logit is the mean of."""
        seen = self.protocol.snippet_of_view
        return [i for i in range(len(seen)) if self.snippet is None or self.snippet in seen[i]]

    def logits(self, clips: Tensor, changes: Mapping[str, Intervention] | None = None) -> Tensor:
        """(N, U, 3, T, H, W) -> (N, classes), of the clip or of the snippet in it; autograd goes
        through. changes: interventions at other hook points."""
        seen: list[Tensor] = []

        def keep(scores: Tensor) -> Tensor:
            seen.append(scores)
            return scores

        with capture((), interventions={SCORES: keep, **(changes or {})}):
            of_clip: Tensor = self.network(clips)
        if self.snippet is None:
            return of_clip
        return seen[0][:, self.snippet // self.protocol.num_groups]

    def __call__(self, clips: Tensor) -> Tensor:
        """(N, U, 3, T, H, W) -> (N,)."""
        return self.logits(clips)[:, self.category]

    def own(self, views: Tensor) -> Tensor:
        """The explained ones of all views (views, U, 3, T, H, W), where and as the network is."""
        if len(views) != self.protocol.num_views:
            raise ModelError(
                f"{len(views)} views", f"{self.protocol.num_views}", "Make them with to_tensor()."
            )
        weight = next(self.network.parameters())
        return views[self.views].to(weight.device, weight.dtype)

    def probabilities(self, clips: Tensor) -> Array:
        """(N, ...) -> (N,) probability of the category."""
        with torch.no_grad():
            logits = torch.cat([self.logits(batch) for batch in batches(clips)])
        return logits.double().softmax(-1)[:, self.category].cpu().numpy()

    @property
    def stage(self) -> str:
        """Name of the hook point behind the last convolution."""
        if FEATURES not in dict(self.network.named_children()):
            raise ModelError(
                f"{type(self.network).__name__} without {FEATURES}",
                "a ResNet of the zoo",
                "Give the network a HookPoint of that name after its last convolution.",
            )
        return FEATURES


def batches(clips: Tensor) -> Iterator[Tensor]:
    return iter(torch.split(clips, rows_per_batch(clips)))


MEAN_COLOUR = "the training mean colour, which is zero after normalisation"
NO_FEATURES = "features of zero after the last stage"
STILL = "the frame before it, as if time stood still"


def without_patches(view: Tensor, present: Tensor) -> Tensor:
    """(U, 3, T, H, W) and (n, U, t, rows, columns) bool -> (n, U, 3, T, H, W): cells that are not
    present in the mean colour. t: T, or 1 where cells last a whole snippet."""
    rows, columns = (
        torch.arange(size, device=view.device) * cells // size
        for size, cells in zip(view.shape[-2:], present.shape[-2:], strict=True)
    )
    return view * present.unsqueeze(2)[..., rows[:, None], columns]


def without_frames(view: Tensor, present: Tensor) -> Tensor:
    """(U, 3, T, H, W) and (n, U*T) bool -> (n, U, 3, T, H, W): a frame that is not present shows
    the last one before it that is; before the first of them the first; with none frame 0."""
    frames = view.transpose(1, 2).flatten(0, 1)                          # (U*T, 3, H, W)
    shown = torch.arange(len(frames), device=view.device).where(present, -1).cummax(1).values
    shown = shown.where(shown >= 0, present.int().argmax(1, keepdim=True))   # (n, U*T)
    pictures = torch.unflatten(frames[shown], 1, (view.shape[0], view.shape[2]))
    return pictures.transpose(2, 3)
