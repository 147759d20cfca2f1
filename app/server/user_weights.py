"""Checkpoints of users: uploaded, checked in a process of its own, kept, listed, deleted.

They lie in `checkpoints.USER_FOLDER`, shared by all sessions and by the command line.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

from app.server import logs, runtime, settings, weights_check
from app.server.fair_queue import Job
from app.server.sessions import browser_session, server_state
from app.server.uploads import CHUNK_BYTES, Spooled
from dsanet_core import checkpoints
from dsanet_core.checkpoints import Choices
from dsanet_core.checkpoints.foreign_formats.labels import MAX_BYTES as MOST_NAMES_BYTES
from dsanet_core.checkpoints.registry import SAFE_NAME, WeightsEntry, entry_path
from dsanet_core.errors import CheckpointError
from dsanet_core.text_format import file_size
from dsanet_core.video.refusals import shown_as

TYPES = ("pth", "pyth", "pt", "safetensors", "tar")
"""Endings that a browser offers; what a file is, its content says."""
NAMES_TYPES = ("txt", "csv", "json")
HERE_ALONE = {"localhost", "127.0.0.1", "::1"}
FOLDER_PREFIX = "weights-"
COMMAND = "python -m dsanet_core import FILE"


def is_open() -> bool:
    """True if pages may upload and delete weights: by the server's environment; where that does not
    say, if the server answers its own machine alone."""
    is_opened = settings.weights_opened()
    if is_opened is not None:
        return is_opened
    hosts = {runtime.option("server.address"), *runtime.option("server.allowedHosts")}
    return hosts <= HERE_ALONE


def most_bytes() -> int:
    """Of an upload."""
    return int(runtime.option("server.maxUploadSize")) << 20


def take(source: BinaryIO, shown: str) -> Spooled:
    """Copy an uploaded file to disk; the one before it goes. Raises CheckpointError where weights
    may not be uploaded, and where there is no room for it."""
    _require_open()
    forget()
    size = source.seek(0, 2)
    _require_room(size, shown)
    uploads = browser_session().uploads
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=uploads.folder))
    spooled = Spooled(shown, folder / _clean(shown, TYPES), size)
    try:
        _copy(source, spooled.path)
    except OSError as error:
        spooled.remove()
        raise _no_room(shown) from error
    uploads.weights = spooled
    return spooled


def waiting() -> Spooled | None:
    """The file that this session has uploaded and that is not yet checked to the end."""
    spooled = browser_session().uploads.weights
    return spooled if spooled is not None and spooled.path.is_file() else None


def forget() -> None:
    """Stop the check of this session, if one is under way, and delete its file."""
    session = browser_session()
    server_state().imports.release(session.id)
    session.importing = None
    if session.uploads.weights is not None:
        session.uploads.weights.remove()
        session.uploads.weights = None


def suggested_name(spooled: Spooled) -> str:
    """The name that `import_checkpoint` gives a file without one of its own."""
    stem = re.sub(r"[^a-z0-9_.-]+", "_", spooled.path.stem.lower())
    return stem.lstrip(".-")[:64]


def start(
    name: str, choices: Choices, names: BinaryIO | None = None, names_shown: str = ""
) -> None:
    """Have the waiting file checked and kept, off the page (`job`). names: a file with the names of
    its outputs. Raises LensError for what can be said at once; the file then still waits."""
    _require_open()
    session, spooled = browser_session(), waiting()
    if spooled is None:
        raise CheckpointError("No file waits to be checked", "one uploaded in this session",
                              "Upload it again.")
    _require_name(name or suggested_name(spooled))
    _require_room(spooled.size, spooled.shown)
    if names is not None:
        choices = replace(choices, classes=_take_names(spooled, names, names_shown))
    session.importing = server_state().imports.submit(
        (session.id, str(spooled.path)), session.id, _check(spooled, name or None, choices)
    )


def job() -> Job | None:
    """The check that this session began last; its result is the name of the model."""
    return browser_session().importing


def kept() -> dict[str, WeightsEntry]:
    """Name -> entry of the users' checkpoints, the newest first."""
    users = {
        name: entry for name, entry in checkpoints.available_weights().items()
        if not entry["embedded"]
    }
    return dict(sorted(users.items(), key=lambda item: -begun(item[0])))


def damaged() -> dict[str, str]:
    """Name -> fault of an entry that no page can use, and the next step; no path of the server in
    it."""
    return {name: _without_paths(fault) for name, fault in checkpoints.damaged_entries().items()}


def begun(name: str) -> float:
    """When the entry of a user's checkpoint was written, in seconds of the epoch; 0 if it is gone.
    """
    try:
        return entry_path(name).stat().st_mtime
    except OSError:
        return 0.0


def delete(name: str) -> None:
    """Delete a user's checkpoint, also one whose entry is damaged. Raises CheckpointError for any
    other, and where its files may not be removed."""
    _require_open()
    if name not in kept() and name not in damaged():
        raise CheckpointError(f"There are no uploaded weights {name!r}",
                              "one of the table", "Reload the page: they may be deleted already.")
    entry, sha256 = entry_path(name), kept().get(name, {}).get("sha256")
    try:
        entry.unlink(missing_ok=True)  # first: weights without an entry are nobody's
        entry.with_name(f"{name}.safetensors").unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{name} could not be deleted whole ({error.strerror})", "files that may be removed",
            "Ask the server's administrator to correct the permissions of its weights folder.",
        ) from error
    logs.event("weights_deleted", session=browser_session().id, weights=sha256)


def _require_open() -> None:
    if not is_open():
        raise CheckpointError(
            "Pages of this server do not upload or delete weights", "a server that allows it",
            f"Ask its administrator: it starts with {settings.WEIGHTS_VARIABLE}=open, or {COMMAND} "
            "on its machine.",
        )


def _require_name(name: str) -> None:
    """Said before a long check; `import_checkpoint` holds to it and to all else of a name."""
    is_safe = SAFE_NAME.fullmatch(name) is not None  # no other may become a path
    if is_safe and (name in checkpoints.available_weights() or entry_path(name).exists()):
        raise CheckpointError(f"The name {name} is taken", "a name of its own",
                              "Choose another name above, or delete those weights first.")


def _require_room(size: int, shown: str) -> None:
    files = list(entry_path("any").parent.glob("*.safetensors"))
    held = 0
    for file in files:
        with suppress(OSError):  # somebody is deleting it
            held += file.stat().st_size
    if len(files) >= settings.MOST_WEIGHTS:
        raise CheckpointError(
            f"{len(files)} checkpoints have been uploaded to this server",
            f"fewer than {settings.MOST_WEIGHTS} before another one",
            "Delete some that nobody needs, below.",
        )
    if held + size > settings.WEIGHTS_BYTES:
        raise CheckpointError(
            f"The weights uploaded to this server take {file_size(held)}, and {shown_as(shown)} "
            f"has {file_size(size)}", f"at most {file_size(settings.WEIGHTS_BYTES)} in all",
            "Delete some that nobody needs, below.",
        )
    # Twice: what was uploaded, and what is kept of it.
    if 2 * size > shutil.disk_usage(tempfile.gettempdir()).free - settings.FREE_DISK_BYTES:
        raise _no_room(shown)


def _no_room(shown: str) -> CheckpointError:
    return CheckpointError(
        f"There is no room on the server's disk for {shown_as(shown)}",
        f"{file_size(settings.FREE_DISK_BYTES)} free besides it",
        "Ask the server's administrator to make room.",
    )


def _clean(shown: str, types: tuple[str, ...]) -> str:
    """A name for a file on disk: of letters, digits, "_", "." and "-", with one of the endings."""
    stem, _, ending = re.sub(r"[^A-Za-z0-9_.-]+", "_", shown).rpartition(".")
    known = ending.lower() if ending.lower() in types else types[0]
    return f"{stem.strip('.-')[-80:] or 'checkpoint'}.{known}"


def _copy(source: BinaryIO, path: Path) -> None:
    source.seek(0)
    with path.open("xb") as file:
        shutil.copyfileobj(source, file, CHUNK_BYTES)


def _take_names(spooled: Spooled, names: BinaryIO, shown: str) -> str:
    """The name of the file with class names, beside the weights."""
    size = names.seek(0, 2)
    if size > MOST_NAMES_BYTES:
        raise CheckpointError(
            f"{shown_as(shown)} has {file_size(size)}",
            f"class names of at most {file_size(MOST_NAMES_BYTES)}",
            "Choose a list of the names of the outputs alone.",
        )
    path = spooled.path.with_name(_clean(shown, NAMES_TYPES))
    path.unlink(missing_ok=True)
    _copy(names, path)
    return path.name


def _without_paths(message: str) -> str:
    """A message as visitors may read it: it names the folder of weights, not where it lies."""
    folder = entry_path("any").parent
    return message.replace(str(folder), folder.name)


def _check(spooled: Spooled, name: str | None, choices: Choices) -> Callable[[Job], str]:
    order = {
        "folder": str(spooled.path.parent), "file": spooled.path.name, "name": name,
        "choices": asdict(choices), "embedded": str(checkpoints.FOLDER),
        "users": str(checkpoints.USER_FOLDER), "most_bytes": most_bytes(),
    }

    def work(job: Job) -> str:
        try:
            _require_room(spooled.size, spooled.shown)  # other uploads may have finished meanwhile
            answer = weights_check.check(order, job, f"Checking {spooled.shown}")
        finally:
            spooled.remove()
        if "error" in answer:
            value, expected, next_step = map(_without_paths, answer["error"])
            raise CheckpointError(value, expected, next_step)
        return str(answer["name"])

    return work
