"""What a pickle describes, read from its instructions, none of which is carried out.

Plain values are themselves; whatever a pickle asks to call or to build is only noted: a `Call`. So
a training checkpoint may hold its logs and its optimizer beside the weights, and nothing of them
runs. Python's `pickletools` says what the instructions are.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import torch

MAX_INSTRUCTIONS = 200_000
TENSOR, PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
_DICTS = {"collections OrderedDict", "collections defaultdict"}
STORAGES = {
    "torch FloatStorage": torch.float32, "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16, "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64, "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16, "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8, "torch BoolStorage": torch.bool,
    "torch ComplexFloatStorage": torch.complex64, "torch ComplexDoubleStorage": torch.complex128,
}  # fmt: skip
"""Kinds of storages that torch.save() names, and what their numbers are."""
_OF_WEIGHTS = {"collections OrderedDict", TENSOR, PARAMETER, *STORAGES}
"""What torch.save() names in the pickle of a dict of tensors."""
_OF_TRAININGS = {
    "collections defaultdict", "_codecs encode", "argparse Namespace", "torch Size", "torch device",
    "numpy ndarray", "numpy dtype", "numpy.core.multiarray scalar",
    "numpy.core.multiarray _reconstruct", "numpy._core.multiarray scalar",
    "numpy._core.multiarray _reconstruct", "mmengine.logging.history_buffer HistoryBuffer",
    "yacs.config CfgNode",
}  # fmt: skip
"""What the codes that publish checkpoints leave beside the weights: names that are noted, and stand
for nothing here."""
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
_UNUSUAL = {
    "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "READONLY_BUFFER", "NEXT_BUFFER",
    "EMPTY_SET", "FROZENSET", "ADDITEMS", "BYTEARRAY8",
}  # fmt: skip
"""Instructions that build things and that no pickle of weights has."""
_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))


class FaultError(Exception):
    """Why a pickle is none of weights, in words that follow a file's name."""


class Name(NamedTuple):
    """A function or class that a pickle asks for: "module name"."""

    dotted: str


@dataclass(frozen=True, eq=False)
class Call:
    """Something that a pickle asks to call or to build, and with what."""

    dotted: str
    arguments: Any


class Storage(NamedTuple):
    """Numbers that lie outside the pickle: their kind (of `STORAGES`), name and number."""

    kind: str
    key: str
    numel: int


class Pickled(NamedTuple):
    """What a pickle describes. beside: the names it asks for that weights alone have no need of, in
    their order."""

    value: Any
    beside: tuple[str, ...]


def read_pickle(file: IO[bytes], *, before_1_6: bool = False) -> Pickled:
    """The pickle that begins here; the file is left behind its end. before_1_6: whether storages
    are noted as torch did then. Raises FaultError for a damaged one, one that asks for anything
    that no checkpoint has, and one of too many instructions."""
    machine = _Machine([None] if before_1_6 else [])
    texts: list[str] = []  # the last two name what STACK_GLOBAL asks for
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
            if count > MAX_INSTRUCTIONS:
                raise FaultError(f"holds a pickle of more than {MAX_INSTRUCTIONS} instructions")
            if instruction.name in ("GLOBAL", "INST"):
                machine.require_known(str(argument))
            if instruction.name == "STACK_GLOBAL":
                machine.require_known(" ".join(texts[-2:]))
            if instruction.name in _UNUSUAL:
                raise FaultError(f"asks to build an object ({instruction.name})")
            if isinstance(argument, str):
                texts = [*texts[-1:], argument]
            if instruction.name == "STOP":
                return Pickled(machine.pop(), tuple(machine.beside))
            machine.take(instruction.name, argument)
    except (ValueError, IndexError, KeyError, EOFError, RecursionError, TypeError) as error:
        raise FaultError(f"holds a damaged pickle ({str(error)[:120]})") from error
    raise FaultError("holds a damaged pickle (no end)")


class _Machine:
    """The stack and the memo of a pickle that is read. rest: what ends the note of a storage."""

    def __init__(self, rest: list[None]) -> None:
        self.rest = rest
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.beside: list[str] = []

    def require_known(self, dotted: str) -> None:
        if dotted in _OF_TRAININGS:
            self.beside.append(dotted)
        elif dotted not in _OF_WEIGHTS:
            raise FaultError(asks_for(dotted))

    def take(self, name: str, argument: Any) -> None:
        """One instruction. Raises ValueError, IndexError, KeyError or TypeError for nonsense."""
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _MADE:
            self.stack.append(_MADE[name]())
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
                self.above_mark()
            self.stack.append(Name(argument))
        elif name == "STACK_GLOBAL":
            last, module = self.pop(), self.pop()
            self.stack.append(Name(f"{module} {last}"))
        elif name not in ("PROTO", "FRAME"):
            _ACTIONS[name](self)

    def pop(self) -> Any:
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
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
            # Others would have to be hashed, which can take for ever; no checkpoint has them.
            if isinstance(target, dict) and isinstance(key, _PLAIN_KEYS):
                target[key] = value

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Name) or function.dotted in STORAGES:
            raise ValueError("a call of what is no function")
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        dotted = function.dotted
        self.stack.append({} if dotted in _DICTS else Call(dotted, arguments))
        if dotted == "collections OrderedDict" and arguments:
            pairs = arguments[0] if isinstance(arguments[0], list) else []
            self.set_items([part for pair in pairs for part in pair])

    def refer(self) -> None:
        """A storage: ("storage", kind, key, device, count, and before 1.6 what it is a view of)."""
        mark, kind, key, device, count, *rest = self.pop()
        if mark != "storage" or not isinstance(kind, Name) or kind.dotted not in STORAGES:
            raise ValueError("something outside the pickle that is no storage")
        is_plain = isinstance(key, str) and type(count) is int and count >= 0
        is_plain = is_plain and isinstance(device, str)
        if not is_plain or rest != self.rest:
            raise ValueError("a storage without name and size of its own")
        self.stack.append(Storage(kind.dotted, key, count))


_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_MADE: dict[str, Any] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict,
}  # fmt: skip
_ACTIONS: dict[str, Any] = {
    "POP": _Machine.pop,
    "POP_MARK": _Machine.above_mark,
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "TUPLE": lambda m: m.stack.append(tuple(m.above_mark())),
    "TUPLE1": lambda m: m.tuple_of(1),
    "TUPLE2": lambda m: m.tuple_of(2),
    "TUPLE3": lambda m: m.tuple_of(3),
    "LIST": lambda m: m.stack.append(m.above_mark()),
    "DICT": lambda m: (values := m.above_mark(), m.stack.append({}), m.set_items(values)),
    "APPEND": lambda m: m.extend([m.pop()]),
    "APPENDS": lambda m: m.extend(m.above_mark()),
    "SETITEM": lambda m: (value := m.pop(), key := m.pop(), m.set_items([key, value])),
    "SETITEMS": lambda m: m.set_items(m.above_mark()),
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.pop,  # what an object is like is of no interest: nobody builds it
    "BINPERSID": _Machine.refer,
}


def asks_for(dotted: str) -> str:
    """What to say of a name that no checkpoint has."""
    module, _, name = dotted.partition(" ")
    module = module.replace("__builtin__", "builtins")  # as it was called in Python 2
    if module.startswith("torch") and name in _KNOWN:
        return f"holds {_KNOWN[name]}"
    return f"asks to run {module[:60]}.{name[:60]}"
