"""A pickle parsed from its opcodes; nothing in it is executed.

Plain values become themselves; everything that a pickle asks to call or build is only recorded, as
a `PickledCall`. A training checkpoint may therefore hold logs and optimizer state beside the
weights, none of which is run. The opcodes are decoded by Python's `pickletools`.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import torch

MAX_INSTRUCTIONS = 200_000
TENSOR, PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
_DICT_GLOBALS = {"collections OrderedDict", "collections defaultdict"}
STORAGE_DTYPES = {
    "torch FloatStorage": torch.float32, "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16, "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64, "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16, "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8, "torch BoolStorage": torch.bool,
    "torch ComplexFloatStorage": torch.complex64, "torch ComplexDoubleStorage": torch.complex128,
}  # fmt: skip
"""Data type of each storage class that torch.save() names."""
_WEIGHT_GLOBALS = {"collections OrderedDict", TENSOR, PARAMETER, *STORAGE_DTYPES}
"""Globals in the pickle of a dict of tensors, as torch.save() writes it."""
_TRAINING_GLOBALS = {
    "collections defaultdict", "_codecs encode", "argparse Namespace", "torch Size", "torch device",
    "numpy ndarray", "numpy dtype", "numpy.core.multiarray scalar",
    "numpy.core.multiarray _reconstruct", "numpy._core.multiarray scalar",
    "numpy._core.multiarray _reconstruct", "mmengine.logging.history_buffer HistoryBuffer",
    "yacs.config CfgNode",
}  # fmt: skip
"""Globals that published training checkpoints use beside the weights; recorded, never called."""
_OTHER_TENSORS = {
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
_REFUSED_OPCODES = {
    "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "READONLY_BUFFER", "NEXT_BUFFER",
    "EMPTY_SET", "FROZENSET", "ADDITEMS", "BYTEARRAY8",
}  # fmt: skip
"""Opcodes that build objects; no pickle of weights has them."""
_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))


class PickleError(Exception):
    """Reason why a pickle is refused, a predicate that follows the file name."""


class GlobalName(NamedTuple):
    """A function or class that a pickle refers to: "module name"."""

    dotted: str


@dataclass(frozen=True, eq=False)
class PickledCall:
    """A call or construction that a pickle asks for, with its arguments."""

    dotted: str
    arguments: Any


class StorageRef(NamedTuple):
    """A storage outside the pickle: class (of `STORAGE_DTYPES`), key, number of elements."""

    kind: str
    key: str
    numel: int


class ParsedPickle(NamedTuple):
    """Content of a pickle. extra_globals: those of `_TRAINING_GLOBALS` that it uses, in order."""

    value: Any
    extra_globals: tuple[str, ...]


def parse_pickle(file: IO[bytes], *, before_1_6: bool = False) -> ParsedPickle:
    """Parse the pickle at the file's position, which moves to the end of the pickle.

    before_1_6: storage references as torch wrote them before version 1.6. Raises PickleError for a
    damaged pickle, one that uses globals or opcodes that no checkpoint needs, and one of more than
    `MAX_INSTRUCTIONS`.
    """
    machine = _PickleMachine([None] if before_1_6 else [])
    texts: list[str] = []  # the last two name what STACK_GLOBAL asks for
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
            if count > MAX_INSTRUCTIONS:
                raise PickleError(f"holds a pickle of more than {MAX_INSTRUCTIONS} instructions")
            if instruction.name in ("GLOBAL", "INST"):
                machine.require_known(str(argument))
            if instruction.name == "STACK_GLOBAL":
                machine.require_known(" ".join(texts[-2:]))
            if instruction.name in _REFUSED_OPCODES:
                raise PickleError(f"asks to build an object ({instruction.name})")
            if isinstance(argument, str):
                texts = [*texts[-1:], argument]
            if instruction.name == "STOP":
                return ParsedPickle(machine.pop(), tuple(machine.extra_globals))
            machine.execute(instruction.name, argument)
    except (ValueError, IndexError, KeyError, EOFError, RecursionError, TypeError) as error:
        raise PickleError(f"holds a damaged pickle ({str(error)[:120]})") from error
    raise PickleError("holds a damaged pickle (no end)")


class _PickleMachine:
    """Stack and memo of the pickle machine. storage_suffix: end of a storage reference."""

    def __init__(self, storage_suffix: list[None]) -> None:
        self.storage_suffix = storage_suffix
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.extra_globals: list[str] = []

    def require_known(self, dotted: str) -> None:
        if dotted in _TRAINING_GLOBALS:
            self.extra_globals.append(dotted)
        elif dotted not in _WEIGHT_GLOBALS:
            raise PickleError(describe_global(dotted))

    def execute(self, name: str, argument: Any) -> None:
        """One opcode. Raises ValueError, IndexError, KeyError or TypeError for an invalid one."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _PUSH_NEW:
            self.stack.append(_PUSH_NEW[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in ("GLOBAL", "INST"):
            if name == "INST":
                self.pop_mark()
            self.stack.append(GlobalName(argument))
        elif name == "STACK_GLOBAL":
            last, module = self.pop(), self.pop()
            self.stack.append(GlobalName(f"{module} {last}"))
        elif name not in ("PROTO", "FRAME"):
            _ACTIONS[name](self)

    def pop(self) -> Any:
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def tuple_of(self, count: int) -> None:
        values = self.stack[len(self.stack) - count :]
        if len(values) < count:
            raise IndexError("too few values")
        del self.stack[len(self.stack) - count :]
        self.stack.append(tuple(values))

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Other keys would have to be hashed, which can take forever; no checkpoint has them.
            if isinstance(target, dict) and isinstance(key, _PLAIN_KEYS):
                target[key] = value

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, GlobalName) or function.dotted in STORAGE_DTYPES:
            raise ValueError("a call of what is no function")
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        dotted = function.dotted
        self.stack.append({} if dotted in _DICT_GLOBALS else PickledCall(dotted, arguments))
        if dotted == "collections OrderedDict" and arguments:
            pairs = arguments[0] if isinstance(arguments[0], list) else []
            self.set_items([part for pair in pairs for part in pair])

    def load_persistent(self) -> None:
        """A storage: ("storage", class, key, device, count; before 1.6 also its view, None)."""
        mark, kind, key, device, count, *rest = self.pop()
        is_class = isinstance(kind, GlobalName) and kind.dotted in STORAGE_DTYPES
        if mark != "storage" or not is_class:
            raise ValueError("something outside the pickle that is no storage")
        is_plain = isinstance(key, str) and type(count) is int and count >= 0
        is_plain = is_plain and isinstance(device, str)
        if not is_plain or rest != self.storage_suffix:
            raise ValueError("a storage without name and size of its own")
        self.stack.append(StorageRef(kind.dotted, key, count))


_PUSH_ARGUMENT = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_PUSH_NEW: dict[str, Any] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict,
}  # fmt: skip
_ACTIONS: dict[str, Any] = {
    "POP": _PickleMachine.pop,
    "POP_MARK": _PickleMachine.pop_mark,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "TUPLE": lambda m: m.stack.append(tuple(m.pop_mark())),
    "TUPLE1": lambda m: m.tuple_of(1),
    "TUPLE2": lambda m: m.tuple_of(2),
    "TUPLE3": lambda m: m.tuple_of(3),
    "LIST": lambda m: m.stack.append(m.pop_mark()),
    "DICT": lambda m: (values := m.pop_mark(), m.stack.append({}), m.set_items(values)),
    "APPEND": lambda m: m.extend([m.pop()]),
    "APPENDS": lambda m: m.extend(m.pop_mark()),
    "SETITEM": lambda m: (value := m.pop(), key := m.pop(), m.set_items([key, value])),
    "SETITEMS": lambda m: m.set_items(m.pop_mark()),
    "REDUCE": _PickleMachine.call,
    "NEWOBJ": _PickleMachine.call,
    "BUILD": _PickleMachine.pop,  # the state of an object that is never built
    "BINPERSID": _PickleMachine.load_persistent,
}


def describe_global(dotted: str) -> str:
    """Predicate about a global that is refused: "asks to run os.system"."""
    module, _, name = dotted.partition(" ")
    module = module.replace("__builtin__", "builtins")  # as it was called in Python 2
    if module.startswith("torch") and name in _OTHER_TENSORS:
        return f"holds {_OTHER_TENSORS[name]}"
    return f"asks to run {module[:60]}.{name[:60]}"
