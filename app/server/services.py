"""Results of models about videos: the only file that has networks run.

A page submits requests and gets jobs. Finished jobs are kept by (owner, file sha256, weights
sha256, protocol, request), so that switching a block, a class or a page runs nothing again.
Requests that a page no longer makes when it has been drawn stop (`let_go`). Per device there is one
queue, in which sessions take turns, and one process with the networks; threads of the queue never
call Streamlit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.server import run_videos, runtime, samples
from app.server.fair_queue import Job
from app.server.network_process import NetworkRequest, process_of
from app.server.run_videos import Source
from app.server.sessions import ServerState, browser_session, server_state
from app.server.tasks import Request
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
    "start": ("starting the model process", 0.4, 0.0),
    "load": ("loading the model", 0.4, 0.0),
    "transform": ("preparing", 0.4, 0.1),
}
"""Steps of every request: text for the page, start on its progress bar, length there."""
_UPLOAD = "upload-"


class Weights(NamedTuple):
    """A file of weights, and the sha256 of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Card:
    """Facts about a model before it runs. accuracy: measured figures, as fractions."""

    description: str
    accuracy: dict[str, Any]


def network_runs() -> int:
    """Number of times a network was run on a video since the server started."""
    return server_state().network_runs


def decodes() -> int:
    """Number of times a video was decoded for a network since the server started."""
    return server_state().decodes


def model_names() -> list[str]:
    """Models whose weights are at hand. Raises CheckpointError if there are none."""
    names = list(checkpoints.available_weights())
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
    return {name: _card(name, entry) for name, entry in checkpoints.available_weights().items()}


def _card(name: str, entry: dict[str, Any]) -> Card:
    spec = specs({name: entry})[name]
    return Card("its file cannot be read" if spec is None else spec.description, entry["accuracy"])


def _entry(name: str) -> dict[str, Any]:
    try:
        return checkpoints.available_weights()[name]
    except KeyError:
        raise CheckpointError(
            f"The weights {name!r} are not here any more", "weights that are at hand",
            "Reload the page and choose another model, or upload the weights again.",
        ) from None


def models_with(part: str) -> list[str]:
    """Those of `model_names` that have a part of `zoo.PARTS` ("dsa", "sda", ...) inside."""
    found = specs(checkpoints.available_weights())
    return [name for name, spec in found.items() if spec is not None and part in spec.args]


def specs(entries: Mapping[str, dict[str, Any]]) -> dict[str, ModelSpec | None]:
    """Specs of models at hand, as their files hold them; None for one that is damaged."""
    found: dict[str, ModelSpec | None] = {}
    for name, entry in entries.items():
        try:
            found[name] = _spec(name, entry["sha256"])
        except CheckpointError:
            found[name] = None
    return found


@runtime.cache_resource(max_entries=SPECS_KEPT, show_spinner=False)
def _spec(name: str, weights_sha256: str) -> ModelSpec:
    return checkpoints.read_spec(name)


def model_of(weights_sha256: str) -> str | None:
    """The name of the model at hand with these weights."""
    entries = checkpoints.available_weights().items()
    return next((name for name, entry in entries if entry["sha256"] == weights_sha256), None)


def backbone(name: str) -> tuple[str, dict[str, Any]] | None:
    """A network of the zoo without SDA; None for one that is not in it."""
    from dsanet_core import zoo

    if name not in zoo.list_models():
        return None
    spec = zoo.model_spec(name)
    return spec.build, {key: value for key, value in spec.args.items() if key != "sda"}


def take_upload(file: runtime.UploadedFile) -> str:
    """Spool an uploaded file into this session's folder; the id of the video."""
    try:
        return _UPLOAD + browser_session().uploads.take(file, file.name).sha256
    finally:
        runtime.drop_upload(file)


def take_weights(file: runtime.UploadedFile) -> None:
    """Spool an uploaded checkpoint, which then waits to be checked (`user_weights`)."""
    from app.server import user_weights

    try:
        user_weights.take(file, file.name)
    finally:
        runtime.drop_upload(file)


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
            "This link leads to an uploaded video, and uploads are kept only in the session that "
            "uploaded them",
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


def submit(source: Source, requests: Sequence[Request]) -> list[Job]:
    """One job per request, new or at hand. Raises BusyError where too many wait already."""
    server, session = server_state(), browser_session()
    queue = server.queues[server.device_of(source.sha256)]
    jobs = []
    for request in requests:
        entry = _entry(request.model)
        weights = Weights(entry["path"], entry["sha256"])
        spec = _spec(request.model, weights.sha256)
        key = (source.owner, source.sha256, weights.sha256, spec.protocol, *request.key)
        session.wanted.add(key)
        work = _work(server, source, request, spec, weights)
        jobs.append(queue.submit(key, session.id, work))
    return jobs


def ahead(job: Job) -> int | None:
    """Number of jobs whose turn comes before this one; None once it has begun."""
    found = (queue.ahead(job) for queue in server_state().all_queues)
    return next((count for count in found if count is not None), None)


def let_go() -> None:
    """The page has been drawn: this session no longer waits for what the page did not request, and
    what nobody waits for stops."""
    session = browser_session()
    session.release(keep=session.wanted)
    session.wanted = set()


def plays_as_it_is(source: Source, facts: Video) -> bool:
    """True if the page can hand the file itself to the browser; it would stay in memory."""
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
    """The result of a finished job, with the name that this session knows the video by."""
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
    server: ServerState, source: Source, request: Request, spec: ModelSpec, weights: Weights
) -> Callable[[Job], Any]:
    process = process_of(server.device_of(source.sha256))

    def work(job: Job) -> Any:
        def report(step: str, share: float) -> None:
            doing, start, length = STEPS.get(step, (request.running, 0.5, 0.5))
            job.report(f"{spec.name}: {doing}{process.note}", start + length * share)

        report("decode", 0.0)
        sampling = spec.protocol.sampling
        clips, seconds = server.clips(source, sampling, job.cancel)
        report("start", 0.0)
        server.count_network_run()
        about = (source.owner, source.sha256, sampling)
        message = NetworkRequest(weights.path, weights.sha256, about, clips, request.task)
        found, job.nbytes = process.run(message, job.cancel, report)
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
