"""Videos and models become answers: the only file that loads networks and runs them.

A page asks with `request` and gets jobs. Finished jobs are kept by (file sha256, weights sha256,
protocol, question), so that switching a block, a category or a page runs nothing again. What a page
no longer asks for when it has been drawn stops (`let_go`). One queue and one worker thread per
device; workers never call Streamlit.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import cloakroom, samples
from app.dataset import run_videos
from app.dataset.run_videos import RunVideo
from app.jobs import Job, Workroom
from dsanet_core import checkpoints, synthetic, video, zoo
from dsanet_core.analysis import Progress, analyze
from dsanet_core.errors import CheckpointError, LensError, VideoError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Analysis, Attribution, Clips, Frames, Sampling, Video

CLIPS_KEPT = 4
NETWORKS_KEPT = 6
MAX_PLAYED_BYTES = 32 << 20
_UPLOAD = "upload-"


@dataclass(frozen=True)
class Source:
    """A chosen video.

    id: as in a deep link; name: to show; path: to play. sha256: of what the network is given: the
    bytes of the file, or what identifies a video of a run. category: the truth, where known.
    of_run: where it comes from, if from a run.
    """

    id: str
    name: str
    path: Path
    sha256: str
    category: str | None = None
    of_run: RunVideo | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether the network is given drawn frames, and the file is only there to be watched."""
        return self.of_run is not None and self.of_run.draw is not None

    def read(self, sampling: Sampling, cancel: threading.Event) -> Clips:
        """What a network is given of it."""
        if self.of_run is not None and self.of_run.draw is not None:
            return self.of_run.draw(sampling)
        window = None if self.of_run is None else self.of_run.window
        return video.read_clips(self.path, sampling, window=window, cancel=cancel)


@dataclass(frozen=True)
class Question:
    """What a page wants to know of a model and a video.

    key: tells this question from others to the same model about the same video; () is the analysis.
    answer: of clips and network, telling how far it is. running: what the page says meanwhile.
    """

    model: str
    key: tuple[Hashable, ...] = ()
    answer: Callable[[Clips, VideoNetwork, Progress], Any] = field(
        default=lambda clips, network, report: analyze(clips, network, progress=report),
        compare=False,
    )
    running: str = "running"


@dataclass(frozen=True)
class Card:
    """What is known of a model before it runs. accuracy: measured figures, as fractions."""

    description: str
    accuracy: dict[str, Any]


@dataclass
class _House:
    """What all sessions share: a workroom per device, one for copies that browsers play, the last
    decoded clips, and counters."""

    rooms: dict[str, Workroom]
    copies: Workroom
    network_runs: int = 0
    decodes: int = 0
    _clips: OrderedDict[tuple[str, Sampling], Clips] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def device_of(self, sha256: str) -> str:
        """A video always goes to the same device, so that models compared on it share a decode."""
        return list(self.rooms)[int(sha256[:8], 16) % len(self.rooms)]

    def clips(
        self, source: Source, sampling: Sampling, cancel: threading.Event
    ) -> tuple[Clips, dict[str, float]]:
        """The decoded clips, from the last few or from the file, and the time if it took any."""
        key = (source.sha256, sampling)
        with self._lock:
            if key in self._clips:
                self._clips.move_to_end(key)
                return self._clips[key], {}
        begin = time.perf_counter()
        clips = source.read(sampling, cancel)
        with self._lock:
            self.decodes += 1
            self._clips[key] = clips
            while len(self._clips) > CLIPS_KEPT:
                self._clips.popitem(last=False)
        return clips, {"decode": time.perf_counter() - begin}

    def count_network_run(self) -> None:
        with self._lock:
            self.network_runs += 1


class _Session:
    """What one browser session owns: its uploads, and the jobs it waits for."""

    def __init__(self, house: _House) -> None:
        self.id = secrets.token_hex(8)
        self._known_as, self.uploads = cloakroom.claim()
        self.wanted: set[Hashable] = set()
        self._house = house

    def release(self, *, keep: Collection[Hashable] = ()) -> None:
        for room in (*self._house.rooms.values(), self._house.copies):
            room.release(self.id, keep=keep)

    def close(self) -> None:
        self.release()
        cloakroom.leave(self._known_as, self.uploads)


@st.cache_resource(show_spinner=False)
def _house() -> _House:
    import torch

    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]
    rooms = {device: Workroom(f"analyses on {device}") for device in devices}
    return _House(rooms, Workroom("copies for browsers"))


@st.cache_resource(scope="session", show_spinner=False, on_release=_Session.close)
def _session() -> _Session:
    return _Session(_house())


@st.cache_resource(max_entries=NETWORKS_KEPT, show_spinner="Loading the network …")
def _network(name: str, weights_sha256: str, device: str) -> VideoNetwork:
    network = checkpoints.load_model(name, device)
    # What a process does once (imports, buffers, counting) must not stand as a network's time.
    analyze(_blank_clips(network.spec.protocol.sampling), network)
    return network


def _blank_clips(sampling: Sampling) -> Clips:
    """Clips of a video of one black frame."""
    facts = Video("blank", "", "", "", width=64, height=64, fps=1, duration_seconds=1, num_frames=1)
    black = np.zeros((1, facts.height, facts.width, 3), np.uint8)
    position = np.zeros((sampling.num_snippets, sampling.frames_per_snippet), np.int64)
    return Clips(Frames(facts, black, np.zeros(1, np.int64), np.zeros(1)), sampling, position)


def network_runs() -> int:
    """How often a network was run on a video since the server started."""
    return _house().network_runs


def decodes() -> int:
    """How often a video was decoded for a network since the server started."""
    return _house().decodes


def manifest() -> dict[str, dict[str, Any]]:
    """What stands beside the weights at hand: name -> its entry."""
    return checkpoints.read_manifest(checkpoints.FOLDER)


def model_names() -> list[str]:
    """Models whose weights are at hand. Raises CheckpointError if there are none."""
    names = list(manifest())
    if not names:
        raise CheckpointError(
            "no weights in checkpoints/",
            "the embedded weights and their manifest",
            "Run: make train-embedded",
        )
    return names


def model_card(name: str) -> Card:
    entry = manifest()[name]
    known = entry["model"] in zoo.list_models()
    description = zoo.model_spec(entry["model"]).description if known else ""
    return Card(description, entry["accuracy"])


def models_with(part: str) -> list[str]:
    """Those of `model_names` that have a part of `zoo.PARTS` ("dsa", "sda", ...) inside."""
    return [name for name, entry in manifest().items() if part in _parts(name, entry["sha256"])]


@st.cache_data(max_entries=64, show_spinner=False)
def _parts(name: str, weights_sha256: str) -> list[str]:
    return list(checkpoints.read_spec(name).args)


def model_of(weights_sha256: str) -> str | None:
    """The name of the model at hand with these weights."""
    entries = manifest().items()
    return next((name for name, entry in entries if entry["sha256"] == weights_sha256), None)


def backbone(name: str) -> tuple[str, dict[str, Any]] | None:
    """What a network of the zoo is without SDA; None for one that is not in it."""
    if name not in zoo.list_models():
        return None
    spec = zoo.model_spec(name)
    return spec.build, {key: value for key, value in spec.args.items() if key != "sda"}


def take_upload(file: UploadedFile) -> str:
    """Spool an uploaded file into this session's folder; the id of the video."""
    try:
        return _UPLOAD + _session().uploads.take(file, file.name).sha256
    finally:
        # Streamlit keeps the bytes in memory until the session ends; on disk is enough.
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
    upload = _session().uploads.find(video_id.removeprefix(_UPLOAD))
    if upload is not None:
        return Source(video_id, upload.name, upload.path, upload.sha256)
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
    """One job per question, new or at hand."""
    house, session = _house(), _session()
    device = house.device_of(source.sha256)
    entries = manifest()
    jobs = []
    for question in questions:
        network = _network(question.model, entries[question.model]["sha256"], device)
        about = (source.sha256, network.weights.sha256, network.spec.protocol)
        key = (*about, *question.key)
        session.wanted.add(key)
        work = _work(house, source, network, question)
        jobs.append(house.rooms[device].submit(key, session.id, work))
    return jobs


def let_go() -> None:
    """The page has been drawn: what it did not ask for, this session no longer waits for, and what
    nobody waits for stops."""
    session = _session()
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
    return f"video/{container}; session={_session().id}"


def request_copy(source: Source) -> Job:
    """A job that gives a `Proxy`: a copy that any browser plays, gone with this session."""
    copy = _session().uploads.folder / f"{source.sha256}.mp4"

    def work(job: Job) -> video.Proxy:
        job.report("Making a copy that your browser can play", 0.0)
        return video.browser_proxy(source.path, copy, cancel=job.cancel)

    session = _session()
    key = ("copy for the browser", session.id, str(source.path))
    session.wanted.add(key)
    return _house().copies.submit(key, session.id, work)


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
    _session().release()


def _work(
    house: _House, source: Source, network: VideoNetwork, question: Question
) -> Callable[[Job], Any]:
    title = network.spec.name
    shares = {"decode": (0.0, 0.4), "transform": (0.4, 0.1)}
    words = {"decode": "reading frames", "transform": "preparing"}

    def work(job: Job) -> Any:
        def report(step: str, share: float) -> None:
            start, length = shares.get(step, (0.5, 0.5))
            job.report(f"{title}: {words.get(step, question.running)}", start + length * share)

        report("decode", 0.0)
        clips, seconds = house.clips(source, network.spec.protocol.sampling, job.cancel)
        house.count_network_run()
        found = question.answer(clips, network, report)
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
