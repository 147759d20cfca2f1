"""Peak memory of loading checkpoints, in a process of its own.

    python -m tests.checkpoints.memory CAP FILE ...

Prints a JSON list of [file, outcome, bytes by which memory peaked above where it was]; outcome is
the message of a refusal, or "loaded". CAP: bytes of a file and of its tensors.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import tempfile
from pathlib import Path

from dsanet_core.checkpoints import CheckpointLimits, load_model
from dsanet_core.errors import CheckpointError
from tests.checkpoints.files import good


def field(name: str) -> int:
    """Bytes of a field of Linux's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


def outcome(path: Path, limits: CheckpointLimits) -> str:
    try:
        load_model(path, "cpu", limits=limits)
    except CheckpointError as error:
        return str(error)
    return "loaded"


def peak(path: Path, limits: CheckpointLimits) -> tuple[str, int]:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not hide what is taken now
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = field("VmRSS")
    said = outcome(path, limits)
    return said, field("VmHWM") - before


def main() -> None:
    cap, *files = sys.argv[1:]
    limits = CheckpointLimits(file_bytes=int(cap), tensor_bytes=int(cap))
    with tempfile.TemporaryDirectory() as folder:  # what is imported at first use
        for suffix in ("pth", "safetensors"):
            outcome(good(Path(folder) / f"a.{suffix}"), limits)
    gc.collect()
    gc.freeze()  # all that was imported: collecting is quick then
    print(json.dumps([[file, *peak(Path(file), limits)] for file in files]))


if __name__ == "__main__":
    main()
