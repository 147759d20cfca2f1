"""Checks one checkpoint and keeps it: `python -m app.server.weights_worker`, the request as JSON on
standard input, the result as JSON on standard output.

A process of its own: it may be killed, and whatever a file does to it, it does to no other.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsanet_core import checkpoints
from dsanet_core.checkpoints import DEFAULT_LIMITS, Choices
from dsanet_core.errors import LensError

NICENESS = 5
"""Pages and analyses come first."""


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """`name` of what is kept now, or `error`: the three parts of a LensError.

    order: `folder`, where `file` lies; `name`, None for one like the file's; `choices`, as
    `checkpoints.Choices`; `embedded` and `users`, the folders of weights; `most_bytes` of a file.
    """
    os.chdir(order["folder"])  # class names are called by their file's name, without its folder
    checkpoints.FOLDER = Path(order["embedded"])
    checkpoints.USER_FOLDER = Path(order["users"])
    limits = replace(DEFAULT_LIMITS, file_bytes=order["most_bytes"])
    try:
        name = checkpoints.import_checkpoint(
            order["file"], order["name"], choices=Choices(**order["choices"]), limits=limits
        )
    except LensError as error:
        return {"error": [error.value, error.expected, error.next_step]}
    return {"name": name}


def main() -> None:
    os.nice(NICENESS)
    # Not the default, which would leave an unfinished file behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(json.dumps(carry_out(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
