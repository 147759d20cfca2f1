"""Videos and models become answers: the only file that has networks run.

A page asks with `request` and gets jobs. Finished jobs are kept by (owner, file sha256, weights
sha256, protocol, question), so that switching a block, a category or a page runs nothing again.
What a page no longer asks for when it has been drawn stops (`let_go`). Per device there is one
queue, in which sessions take turns, and one process with the networks; threads of the queue never
call Streamlit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.server import run_videos, samples, tasks
from app.server.fair_queue import Job
from app.server.network_messages import Task
from app.server.network_process import process_of
from app.server.sessions import ServerState, browser_session, server_state
from app.server.source import Source
from app.server.tasks import Answer
from dsanet_core import checkpoints, synthetic, video
from dsanet_core.errors import CheckpointError, LensError, VideoError
from dsanet_core.records import Analysis, Attribution, Video

if TYPE_CHECKING:
    from dsanet_core.zoo import ModelSpec

MAX_PLAYED_BYTES = 32 << 20
SPECS_KEPT = 256
"""Of networks at hand: more than a server has."""
STEPS = {
    "decode": ("reading frames", 0.0, 0.4),
    "start": ("waiting for the process that runs it", 0.4, 0.0),
    "load": ("loading the network", 0.4, 0.0),
    "transform": ("preparing", 0.4, 0.1),
}
"""Steps that every question has: what the page says, where on its bar each begins, how far it goes.
"""
_UPLOAD = "upload-"


class Weights(NamedTuple):
    """A file of weights, and the sha256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Question:
    """What a page wants to know of a model and a video.

    key: tells this question from others to the same model about the same video; () is the analysis.
    answer: one of `app.server.tasks`, its choices bound. running: what the page says meanwhile.
    """

    model: str
    key: tuple[Hashable, ...] = ()
    answer: Answer = field(default=tasks.analysis, compare=False)
    running: str = "running"


@dataclass(frozen=True)
class Card:
    """What is known of a model before it runs. accuracy: measured figures, as fractions."""

    description: str
    accuracy: dict[str, Any]


def network_runs() -> int:
    """How often a network was run on a video since the server started."""
    return server_state().network_runs


def decodes() -> int:
    """How often a video was decoded for a network since the server started."""
    return server_state().decodes


def model_names() -> list[str]:
    """Models whose weights are at hand. Raises CheckpointError if there are none."""
    names = list(checkpoints.at_hand())
    if not names:
        raise CheckpointError(
            "no weights in checkpoints/",
            "the embedded weights and their manifest",
            "Run: make train-embedded",
        )
    return names


def model_card(name: str) -> Card:
    """Raises CheckpointError for one that is not at hand."""
    return _card(name, _entry(name))


def model_cards() -> dict[str, Card]:
    """Of every model at hand."""
    return {name: _card(name, entry) for name, entry in checkpoints.at_hand().items()}


def _card(name: str, entry: dict[str, Any]) -> Card:
    spec = specs({name: entry})[name]
    return Card("its file cannot be read" if spec is None else spec.description, entry["accuracy"])


def _entry(name: str) -> dict[str, Any]:
    try:
        return checkpoints.at_hand()[name]
    except KeyError:
        raise CheckpointError(
            f"The weights {name!r} are not here any more", "weights that are at hand",
            "Reload the page and choose another model; whoever brought them can bring them again.",
        ) from None


def models_with(part: str) -> list[str]:
    """Those of `model_names` that have a part of `zoo.PARTS` ("dsa", "sda", ...) inside."""
    found = specs(checkpoints.at_hand())
    return [name for name, spec in found.items() if spec is not None and part in spec.args]


def specs(entries: Mapping[str, dict[str, Any]]) -> dict[str, ModelSpec | None]:
    """What the files of models at hand say of their networks; None for one that is damaged."""
    found: dict[str, ModelSpec | None] = {}
    for name, entry in entries.items():
        try:
            found[name] = _spec(name, entry["sha256"])
        except CheckpointError:
            found[name] = None
    return found


@st.cache_resource(max_entries=SPECS_KEPT, show_spinner=False)
def _spec(name: str, weights_sha256: str) -> ModelSpec:
    return checkpoints.read_spec(name)


def model_of(weights_sha256: str) -> str | None:
    """The name of the model at hand with these weights."""
    entries = checkpoints.at_hand().items()
    return next((name for name, entry in entries if entry["sha256"] == weights_sha256), None)


def backbone(name: str) -> tuple[str, dict[str, Any]] | None:
    """What a network of the zoo is without SDA; None for one that is not in it."""
    from dsanet_core import zoo

    if name not in zoo.list_models():
        return None
    spec = zoo.model_spec(name)
    return spec.build, {key: value for key, value in spec.args.items() if key != "sda"}


def take_upload(file: UploadedFile) -> str:
    """Spool an uploaded file into this session's folder; the id of the video."""
    try:
        return _UPLOAD + browser_session().uploads.take(file, file.name).sha256
    finally:
        _drop(file)


def take_weights(file: UploadedFile) -> None:
    """Spool an uploaded checkpoint, which then waits to be checked (`brought`)."""
    from app.server import user_weights

    try:
        user_weights.take(file, file.name)
    finally:
        _drop(file)


def _drop(file: UploadedFile) -> None:
    """Streamlit keeps the bytes in memory until the session ends; on disk is enough."""
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def find_source(video_id: str) -> Source:
    """The video of an id. Raises VideoError for one that this session does not have."""
    label = samples.label_of(video_id)
    if label is not None:
        path = samples.clip(label)
        category = synthetic.CATEGORIES[label]
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return Source(video_id, f"Sample: {category}", path, sha256, category)
    upload = browser_session().uploads.find(video_id.removeprefix(_UPLOAD))
    if upload is not None:
        return Source(video_id, upload.name, upload.path, upload.sha256, owner=browser_session().id)
    if video_id.startswith(_UPLOAD):
        raise VideoError(
            "This link leads to an uploaded video, and uploads live only in the session that "
            "brought them",
            f"a file with sha256 {video_id.removeprefix(_UPLOAD)[:12]}… uploaded here",
            "Upload the same file again: everything else in the link still holds.",
        )
    found = run_videos.find(video_id)
    if found is not None:
        return Source(
            video_id, found.name, found.path, found.identity, found.category, of_run=found
        )
    raise VideoError(
        f"There is no video {video_id!r}",
        "a sample, an upload or a video of a run",
        "Choose a video above.",
    )


def request(source: Source, questions: Sequence[Question]) -> list[Job]:
    """One job per question, new or at hand. Raises BusyError where too many wait already."""
    house, session = server_state(), browser_session()
    room = house.rooms[house.device_of(source.sha256)]
    jobs = []
    for question in questions:
        entry = _entry(question.model)
        weights = Weights(entry["path"], entry["sha256"])
        spec = _spec(question.model, weights.sha256)
        key = (source.owner, source.sha256, weights.sha256, spec.protocol, *question.key)
        session.wanted.add(key)
        work = _work(house, source, question, spec, weights)
        jobs.append(room.submit(key, session.id, work))
    return jobs


def ahead(job: Job) -> int | None:
    """How many jobs have their turn before this one; None once it has begun."""
    found = (room.ahead(job) for room in server_state().all_rooms)
    return next((count for count in found if count is not None), None)


def let_go() -> None:
    """The page has been drawn: what it did not ask for, this session no longer waits for, and what
    nobody waits for stops."""
    session = browser_session()
    session.release(keep=session.wanted)
    session.wanted = set()


def plays_as_it_is(source: Source, facts: Video) -> bool:
    """Whether the page can hand the file itself to the browser; it would sit in memory."""
    if source.is_drawn:
        return True
    return video.plays_in_browser(facts) and source.path.stat().st_size <= MAX_PLAYED_BYTES


def private_format(container: str) -> str:
    """The MIME type of a video for the player of this session. Streamlit makes the address of a
    file from its type and bytes, so that without this, who knows the one could tell the other."""
    return f"video/{container}; session={browser_session().id}"


def request_copy(source: Source) -> Job:
    """A job that gives a `Proxy`: a copy that any browser plays, gone with this session."""
    copy = browser_session().uploads.folder / f"{source.sha256}.mp4"

    def work(job: Job) -> video.Proxy:
        job.report("Making a copy that your browser can play", 0.0)
        return video.browser_proxy(source.path, copy, cancel=job.cancel)

    session = browser_session()
    key = (session.id, "copy for the browser", str(source.path))
    session.wanted.add(key)
    return server_state().copies.submit(key, session.id, work)


def result(job: Job, source: Source) -> Any:
    """What a finished job found, with the name that this session knows the video by."""
    if job.error is not None:
        raise _renamed(job.error, source)
    found = job.result
    if isinstance(found, Analysis | Attribution):
        return replace(found, video=replace(found.video, name=source.name))
    return found


def release() -> None:
    """This session waits for nothing any more; what nobody waits for stops."""
    browser_session().release()


def _work(
    house: ServerState, source: Source, question: Question, spec: ModelSpec, weights: Weights
) -> Callable[[Job], Any]:
    process = process_of(house.device_of(source.sha256))

    def work(job: Job) -> Any:
        def report(step: str, share: float) -> None:
            words, start, length = STEPS.get(step, (question.running, 0.5, 0.5))
            job.report(f"{spec.name}: {words}{process.note}", start + length * share)

        report("decode", 0.0)
        sampling = spec.protocol.sampling
        clips, seconds = house.clips(source, sampling, job.cancel)
        report("start", 0.0)
        house.count_network_run()
        about = (source.owner, source.sha256, sampling)
        task = Task(weights.path, weights.sha256, about, clips, question.answer)
        found, job.nbytes = process.ask(task, job.cancel, report)
        if isinstance(found, Analysis):
            return replace(found, seconds=seconds | found.seconds)
        return found

    return work


def _renamed(error: Exception, source: Source) -> Exception:
    """The error with the name of the video in place of the name of our file."""
    if not isinstance(error, LensError):
        return error
    value = error.value.replace(source.path.name, source.name)
    return type(error)(value, error.expected, error.next_step)
