"""How long a command and an import take in a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tools.bench.fresh import run_python
from tools.bench.timing import Line, Wanted, in_turns

SECTION = "start"
REPEATS = 15
PYTHON = "python -c pass"
COMMANDS: dict[str, tuple[tuple[str, ...], Wanted | None]] = {
    "python -m dsanet_core --help": (("-m", "dsanet_core", "--help"), Wanted("median", "<", 0.3)),
    "import dsanet_core": (("-c", "import dsanet_core"), None),
    PYTHON: (("-c", "pass"), None),
}


def measure(repeats: int | None = None) -> Iterator[Line]:
    """Fresh processes, files in the cache of the system after the first turns."""
    variants: dict[str, Callable[[], object]] = {
        name: partial(run_python, *arguments) for name, (arguments, _) in COMMANDS.items()
    }
    turns = in_turns(variants, repeats or REPEATS)
    for name, (_, wanted) in COMMANDS.items():
        yield turns.line(SECTION, name, "a fresh process, from its start to its end", wanted=wanted,
                         over="" if name == PYTHON else PYTHON)
