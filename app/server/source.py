"""A video that a page is about, wherever it comes from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from app.server.run_videos import RunVideo
from dsanet_core import video
from dsanet_core.records import Clips, Sampling


@dataclass(frozen=True)
class Source:
    """A chosen video.

    id: as in a deep link; name: to show; path: to play. sha256: of what the network is given: the
    bytes of the file, or what identifies a video of a run. category: the truth, where known.
    of_run: where it comes from, if from a run. owner: the session that brought it; answers about
    it are for that session alone, so that none learns from a quick answer what others have.
    """

    id: str
    name: str
    path: Path
    sha256: str
    category: str | None = None
    of_run: RunVideo | None = None
    owner: str = ""

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
