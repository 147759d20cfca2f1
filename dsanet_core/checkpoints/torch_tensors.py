"""From what a pickle of torch.save() describes to where the tensors of a checkpoint lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from dsanet_core.checkpoints.contents import Contents, TensorPlace, refusal, require_fitting
from dsanet_core.checkpoints.limits import CheckpointLimits
from dsanet_core.checkpoints.pickles import (
    PARAMETER,
    STORAGES,
    TENSOR,
    Call,
    Name,
    Pickled,
    Storage,
    asks_for,
)
from dsanet_core.text_format import file_size

CONTAINERS = ("state_dict", "model_state", "model")
"""Where public codes keep the tensors in a checkpoint; else they are all there is."""
_SAVE = "Save it again with save_checkpoint()."
_SAVE_TENSORS = "Load it where it was made and save its state dict alone."
_SAID = ("arch", "epoch", "cfg")


class Stored(NamedTuple):
    """Numbers in a file: their first byte, size in bytes and, where the file says it, checksum."""

    start: int
    size: int
    crc32: int | None


def contents_of(
    pickled: Pickled, stored: MutableMapping[str, Stored], name: str, limits: CheckpointLimits
) -> Contents:
    """stored: the numbers outside the pickle, by key.

    Raises CheckpointError for what holds no tensors by name, and for tensors that are not dense, of
    their own, and within the file.
    """
    value = pickled.value if isinstance(pickled.value, dict) else {}
    if isinstance(value.get("tensors"), dict) and "metadata" in value:
        if pickled.beside:
            raise refusal(name, asks_for(pickled.beside[0]), "weights and nothing else",
                          "Save the tensors alone, as .safetensors.")
        places = _places(value["tensors"], stored, name, _SAVE)
        return require_fitting(name, value["metadata"], places, limits)
    container = next((key for key in CONTAINERS if isinstance(value.get(key), dict)), "")
    tensors = value[container] if container else value
    kept = {key: each for key, each in tensors.items() if is_tensor(each)}
    if not kept or not all(isinstance(key, str) for key in tensors):
        raise refusal(name, "holds no 'metadata' and 'tensors' by name, and no state dict")
    places = _places(kept, stored, name, _SAVE_TENSORS)
    contents = require_fitting(name, {}, places, limits)
    others = {key: each for key, each in tensors.items() if key not in kept}
    return Contents({}, contents.places, _said(value), tuple(map(str, others)))


def is_tensor(value: object) -> bool:
    """Whether that is how torch.save() writes a tensor or parameter."""
    return isinstance(value, Call) and value.dotted in (TENSOR, PARAMETER)


def _said(value: Mapping[Any, Any]) -> dict[str, Any]:
    """What a public checkpoint says of itself in plain values: `_SAID`, and "classes"."""
    said = {key: value[key] for key in _SAID if isinstance(value.get(key), str | int)}
    meta = value.get("meta")
    if isinstance(meta, dict):
        about = meta.get("dataset_meta")
        classes = about.get("classes") if isinstance(about, dict) else meta.get("CLASSES")
        if isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes):
            said["classes"] = tuple(classes)
    return said


def _places(
    tensors: Mapping[Any, Any], stored: MutableMapping[str, Stored], name: str, next_step: str
) -> dict[str, TensorPlace]:
    places: dict[str, TensorPlace] = {}
    for key, tensor in tensors.items():
        if not isinstance(key, str):
            raise refusal(name, "holds no 'metadata' and 'tensors' by name")
        storage, shape = _plain_tensor(name, key, tensor, next_step)
        dtype = STORAGES[storage.kind]
        size = math.prod(shape) * dtype.itemsize
        numbers = stored.pop(storage.key, None)
        if numbers is None or numbers.size != size:
            raise refusal(name, f"holds {key[:80]!r} of {file_size(size)}, for which the "
                          "archive has no file of that size alone", next_step=next_step)
        places[key] = TensorPlace(dtype, shape, numbers.start, numbers.crc32)
    return places


def _plain_tensor(
    name: str, key: str, tensor: object, next_step: str
) -> tuple[Storage, tuple[int, ...]]:
    """Its numbers and shape. Raises CheckpointError for what is not dense or is a view."""
    if not isinstance(tensor, Call) or not is_tensor(tensor):
        kind = type(tensor).__name__
        if isinstance(tensor, Call | Name):
            kind = tensor.dotted.replace(" ", ".")[:80]
        raise refusal(name, f"holds {key[:80]!r}, a {kind}", "tensors", next_step)
    try:
        arguments = tensor.arguments
        if tensor.dotted == PARAMETER:
            inner, needs_grad, hooks = arguments
            _require(isinstance(inner, Call) and inner.dotted == TENSOR)
            _require(type(needs_grad) is bool and hooks == {})
            arguments = inner.arguments
        storage, offset, shape, stride, needs_grad, hooks = arguments
        _require(isinstance(storage, Storage) and type(needs_grad) is bool and hooks == {})
        _require(not needs_grad or STORAGES[storage.kind].is_floating_point)
        _require(isinstance(shape, tuple) and isinstance(stride, tuple))
        _require(len(shape) == len(stride))
        _require(all(type(n) is int and 0 <= n < 2**62 for n in (offset, *shape, *stride)))
    except (TypeError, ValueError):
        raise refusal(name, f"holds {key[:80]!r}, no plain tensor", "dense weights",
                      next_step) from None
    count = math.prod(shape)
    if offset or count != storage.numel or not _is_dense(shape, stride):
        held = file_size(storage.numel * STORAGES[storage.kind].itemsize)
        raise refusal(name, f"holds {key[:80]!r} of shape {shape[:9]} as a view of {held}",
                      "every tensor in memory of its own", next_step)
    return storage, shape


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError


def _is_dense(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Row by row, the last dimension running fastest; of a size of 1 the stride says nothing."""
    step = 1
    for size, each in zip(reversed(shape), reversed(stride), strict=True):
        if size != 1 and each != step:
            return False
        step *= size
    return True
