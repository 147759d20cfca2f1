"""What the child process does that touches an untrusted video.

The request is one line of JSON; the video, already open, comes with it, so that the child never
learns its path. The answer: 8 bytes of length, a JSON object of that length, raw RGB.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import socket
import struct
from functools import cache
from io import BufferedWriter, FileIO
from typing import Any

from dsanet_core.records import Sampling
from dsanet_core.video.confine import confine
from dsanet_core.video.limits import Limits

MAX_REQUEST_BYTES = 1 << 20


@cache
def load_decoder() -> None:
    """Import all of PyAV now, and what works with it: it loads parts of itself when a file first
    needs them, and by then no file can be opened any more."""
    import av

    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)


def work(talk: socket.socket, isolation: tuple[str, ...]) -> None:
    """Answer the one request that comes over `talk`. isolation: what was given up before."""
    request, files = _receive(talk)
    with BufferedWriter(FileIO(talk.detach(), "wb")) as answer:
        try:
            header, pictures = _answered(request, files, isolation)
        except Exception as error:
            header, pictures = {"failed": f"{type(error).__name__}: {error}"}, []
        encoded = json.dumps(header).encode()
        answer.write(struct.pack(">Q", len(encoded)) + encoded)
        for picture in pictures:
            answer.write(picture.data)


def _receive(talk: socket.socket) -> tuple[dict[str, Any], list[FileIO]]:
    """The request and the files that come with it, for reading and for writing."""
    line, descriptors, _, _ = socket.recv_fds(talk, MAX_REQUEST_BYTES, 2)
    while not line.endswith(b"\n"):
        more = talk.recv(MAX_REQUEST_BYTES)
        if not more:
            raise EOFError("the request broke off")
        line += more
    modes = ("rb", "wb")
    return json.loads(line), [
        FileIO(fd, mode) for fd, mode in zip(descriptors, modes, strict=False)
    ]


def _answered(
    request: dict[str, Any], files: list[FileIO], isolation: tuple[str, ...]
) -> tuple[dict[str, Any], list[Any]]:
    """Header and pictures of the answer."""
    try:
        load_decoder()
    except ImportError as error:
        return {"refused": "no_decoder_library", "detail": str(error)}, []
    from dsanet_core.video import container, decode, transcode

    limits = Limits(**request["limits"])
    gave_up = confine(
        limits,
        file_bytes=os.fstat(files[0].fileno()).st_size,
        max_output_bytes=request.get("max_output_bytes", 0),
        num_files=files[-1].fileno() + 1,
    )
    try:
        if request["task"] == "protections":
            return {"protections": [*isolation, *gave_up]}, []
        if request["task"] == "proxy":
            return transcode.make_proxy(files[0], files[1], request["max_seconds"], limits), []
        sampling = Sampling(**request["sampling"])
        reading = decode.read_snippets(
            files[0], sampling, limits, request.get("part"), request.get("window"),
            request.get("draw"),
        )
    except container.RefusalError as refusal:
        return {"refused": refusal.code, "detail": refusal.detail}, []
    except (MemoryError, BlockingIOError):  # the latter: no room for a thread's stack
        return {"refused": "memory", "detail": ""}, []
    return reading.facts, reading.pictures
