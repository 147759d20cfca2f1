"""From a parsed pickle of torch.save() to the header of a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from dsanet_core.checkpoints import CheckpointLimits
from dsanet_core.checkpoints.header import (
    Header,
    TensorLocation,
    checked_header,
    refusal,
)
from dsanet_core.checkpoints.pickle_parser import (
    PARAMETER,
    STORAGE_DTYPES,
    TENSOR,
    GlobalName,
    ParsedPickle,
    PickledCall,
    StorageRef,
    describe_global,
)
from dsanet_core.text_format import file_size

STATE_DICT_KEYS = ("state_dict", "model_state", "model")
"""Keys under which public code bases store the state dict; else the dict itself is one."""
_SAVE = "Save it again with save_checkpoint()."
_SAVE_TENSORS = "Load it where it was made and save its state dict alone."
_INFO_KEYS = ("arch", "epoch", "cfg")


class DataSpan(NamedTuple):
    """Bytes of a storage in a file: offset, size, and CRC-32 if the file has one."""

    start: int
    size: int
    crc32: int | None


def header_from_pickle(
    pickled: ParsedPickle, spans: MutableMapping[str, DataSpan], name: str,
    limits: CheckpointLimits,
) -> Header:
    """spans: storages in the file by key.

    Raises CheckpointError for a pickle without tensors by name, and for tensors that are not
    contiguous, share a storage or lie outside the file.
    """
    value = pickled.value if isinstance(pickled.value, dict) else {}
    if isinstance(value.get("tensors"), dict) and "metadata" in value:
        if pickled.extra_globals:
            extra = describe_global(pickled.extra_globals[0])
            raise refusal(name, extra, "weights and nothing else",
                          "Save the tensors alone, as .safetensors.")
        places = _tensor_locations(value["tensors"], spans, name, _SAVE)
        return checked_header(name, value["metadata"], places, limits)
    container = next((key for key in STATE_DICT_KEYS if isinstance(value.get(key), dict)), "")
    tensors = value[container] if container else value
    state_dict = {key: each for key, each in tensors.items() if is_tensor(each)}
    if not state_dict or not all(isinstance(key, str) for key in tensors):
        raise refusal(name, "holds no 'metadata' and 'tensors' by name, and no state dict")
    places = _tensor_locations(state_dict, spans, name, _SAVE_TENSORS)
    header = checked_header(name, {}, places, limits)
    others = tuple(str(key) for key in tensors if key not in state_dict)
    return Header({}, header.places, _training_info(value), others)


def is_tensor(value: object) -> bool:
    """True for a tensor or parameter as torch.save() writes it."""
    return isinstance(value, PickledCall) and value.dotted in (TENSOR, PARAMETER)


def _training_info(value: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values of a foreign checkpoint: those of `_INFO_KEYS`, and "classes"."""
    info = {key: value[key] for key in _INFO_KEYS if isinstance(value.get(key), str | int)}
    meta = value.get("meta")
    if isinstance(meta, dict):
        about = meta.get("dataset_meta")
        classes = about.get("classes") if isinstance(about, dict) else meta.get("CLASSES")
        if isinstance(classes, list | tuple) and all(isinstance(each, str) for each in classes):
            info["classes"] = tuple(classes)
    return info


def _tensor_locations(
    tensors: Mapping[Any, Any], spans: MutableMapping[str, DataSpan], name: str, next_step: str
) -> dict[str, TensorLocation]:
    places: dict[str, TensorLocation] = {}
    for key, tensor in tensors.items():
        if not isinstance(key, str):
            raise refusal(name, "holds no 'metadata' and 'tensors' by name")
        storage, shape = _parse_tensor(name, key, tensor, next_step)
        dtype = STORAGE_DTYPES[storage.kind]
        size = math.prod(shape) * dtype.itemsize
        span = spans.pop(storage.key, None)
        if span is None or span.size != size:
            raise refusal(name, f"holds {key[:80]!r} of {file_size(size)}, for which the "
                          "archive has no file of that size alone", next_step=next_step)
        places[key] = TensorLocation(dtype, shape, span.start, span.crc32)
    return places


def _parse_tensor(
    name: str, key: str, tensor: object, next_step: str
) -> tuple[StorageRef, tuple[int, ...]]:
    """Storage and shape of a tensor. Raises CheckpointError for a view and any other object."""
    if not isinstance(tensor, PickledCall) or not is_tensor(tensor):
        kind = type(tensor).__name__
        if isinstance(tensor, PickledCall | GlobalName):
            kind = tensor.dotted.replace(" ", ".")[:80]
        raise refusal(name, f"holds {key[:80]!r}, a {kind}", "tensors", next_step)
    try:
        arguments = tensor.arguments
        if tensor.dotted == PARAMETER:
            inner, needs_grad, hooks = arguments
            _require(isinstance(inner, PickledCall) and inner.dotted == TENSOR)
            _require(type(needs_grad) is bool and hooks == {})
            arguments = inner.arguments
        storage, offset, shape, stride, needs_grad, hooks = arguments
        _require(isinstance(storage, StorageRef) and type(needs_grad) is bool and hooks == {})
        _require(not needs_grad or STORAGE_DTYPES[storage.kind].is_floating_point)
        _require(isinstance(shape, tuple) and isinstance(stride, tuple))
        _require(len(shape) == len(stride))
        _require(all(type(n) is int and 0 <= n < 2**62 for n in (offset, *shape, *stride)))
    except (TypeError, ValueError):
        raise refusal(name, f"holds {key[:80]!r}, no plain tensor", "dense weights",
                      next_step) from None
    count = math.prod(shape)
    if offset or count != storage.numel or not _is_dense(shape, stride):
        held = file_size(storage.numel * STORAGE_DTYPES[storage.kind].itemsize)
        raise refusal(name, f"holds {key[:80]!r} of shape {shape[:9]} as a view of {held}",
                      "every tensor in memory of its own", next_step)
    return storage, shape


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError


def _is_dense(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """True for contiguous tensors; the stride of a dimension of size 1 is arbitrary."""
    step = 1
    for size, each in zip(reversed(shape), reversed(stride), strict=True):
        if size != 1 and each != step:
            return False
        step *= size
    return True
