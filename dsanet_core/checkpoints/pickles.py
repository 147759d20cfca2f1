"""What a pickle asks for, read from its instructions, none of which is carried out."""

from __future__ import annotations

import pickletools

import torch

MAX_INSTRUCTIONS = 200_000
_ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind.__name__}" for kind in torch._storage_classes),
}
"""What torch.save() names in the pickle of a dict of tensors."""
_KNOWN = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_tensor_v3": "a tensor of a rare dtype, such as float8",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without numbers (of the meta device)",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
    "_rebuild_from_type_v2": "a tensor of a class of its own",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device",
}
_NAMING = {"GLOBAL", "INST"}
_UNUSUAL = {
    "STACK_GLOBAL", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID",
    "READONLY_BUFFER", "NEXT_BUFFER", "EMPTY_SET", "FROZENSET", "ADDITEMS", "BYTEARRAY8",
}  # fmt: skip
"""Instructions that call or name things and that no pickle of weights has."""


def pickle_fault(data: bytes) -> str:
    """Why a pickle is none of weights, in words that follow a file's name; "" for one that is."""
    texts: list[str] = []  # the last two name what STACK_GLOBAL asks for
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if count > MAX_INSTRUCTIONS:
                return f"holds a pickle of more than {MAX_INSTRUCTIONS} instructions"
            if instruction.name in _NAMING and str(argument) not in _ALLOWED:
                return _asks_for(str(argument))
            if instruction.name == "STACK_GLOBAL":
                return _asks_for(" ".join(texts[-2:]))
            if instruction.name in _UNUSUAL:
                return f"asks to build an object ({instruction.name})"
            if isinstance(argument, str):
                texts = [*texts[-1:], argument]
    except (ValueError, IndexError, EOFError, RecursionError) as error:
        return f"holds a damaged pickle ({str(error)[:120]})"
    return ""


def _asks_for(dotted: str) -> str:
    module, _, name = dotted.partition(" ")
    module = module.replace("__builtin__", "builtins")  # as it was called in Python 2
    if module.startswith("torch") and name in _KNOWN:
        return f"holds {_KNOWN[name]}"
    return f"asks to run {module[:60]}.{name[:60]}"
