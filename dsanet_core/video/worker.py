"""The child process that touches untrusted video: `python -m dsanet_core.video.worker REQUEST`.

REQUEST is a JSON object. The video is standard input, already open: the child never learns its
path. The answer goes to standard output: 8 bytes of length, a JSON object of that length, raw RGB.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import pkgutil
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from dsanet_core.records import Sampling
from dsanet_core.video.limits import Limits

OUTPUT_FD = 3
"""Where the file goes that a request writes to: the parent opened it."""


def confine(limits: Limits, *, max_output_bytes: int, num_files: int) -> None:
    """Give up, for good, what reading does not need: memory, time, and opening any file.

    No new descriptor can be numbered below num_files once those are all in use, so FFmpeg can
    open neither a file nor a socket, whatever the video says.
    """
    seconds = math.ceil(limits.wall_seconds)
    cores = os.cpu_count() or 1
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, max_output_bytes),
        (resource.RLIMIT_CPU, seconds * min(cores, 4)),
        (resource.RLIMIT_AS, limits.address_space),
        (resource.RLIMIT_NOFILE, num_files),
    ):
        resource.setrlimit(kind, (most, most))
    signal.alarm(seconds + 5)  # should the parent be gone by then


def load_decoder() -> None:
    """Import all of PyAV now: it loads parts of itself when a file first needs them, and by then
    no file can be opened any more."""
    import av

    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)


def reply(header: dict[str, Any], pictures: list[Any] | None = None) -> None:
    out = sys.stdout.buffer
    encoded = json.dumps(header).encode()
    out.write(struct.pack(">Q", len(encoded)) + encoded)
    for picture in pictures or []:
        out.write(picture.data)
    out.flush()


def main(request: dict[str, Any], video: BinaryIO) -> None:
    try:
        load_decoder()
        from dsanet_core.video import reader, source, transcode
    except ImportError as error:
        reply({"refused": "no_decoder_library", "detail": str(error)})
        return
    limits = Limits(**request["limits"])
    try:
        if request["task"] == "proxy":
            os.dup2(request["output_fd"], OUTPUT_FD)
            if request["output_fd"] != OUTPUT_FD:
                os.close(request["output_fd"])
            max_bytes = request["max_output_bytes"]
            confine(limits, max_output_bytes=max_bytes, num_files=OUTPUT_FD + 1)
            with open(OUTPUT_FD, "wb", buffering=0, closefd=False) as out:
                reply(transcode.make_proxy(video, out, request["max_seconds"], limits))
        else:
            confine(limits, max_output_bytes=0, num_files=OUTPUT_FD)
            sampling = Sampling(**request["sampling"])
            reading = reader.read_snippets(
                video, sampling, limits, request.get("part"), request.get("window")
            )
            reply(reading.facts, reading.pictures)
    except source.RefusalError as refusal:
        reply({"refused": refusal.code, "detail": refusal.detail})
    except MemoryError:
        reply({"refused": "memory", "detail": ""})


if __name__ == "__main__":
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        main(json.loads(sys.argv[1]), standard_input)
