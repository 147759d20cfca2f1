"""Time and memory to read the frames of a 10 s and of a one-hour video, in one run.

    python -m tools.time_length
"""

import tempfile
from functools import partial
from pathlib import Path

from dsanet_core.video import read_clips
from dsanet_core.zoo import model_spec
from tests.video.make import peak_memory, repeat_video
from tools.bench.clips import write_clip
from tools.bench.timing import in_turns

ROUNDS = 9


def main() -> None:
    sampling = model_spec("dsa_i3d_synth").protocol.sampling
    with tempfile.TemporaryDirectory() as scratch:
        short = write_clip(Path(scratch) / "short.mp4")
        paths = {"10 s": short, "1 h": repeat_video(short, Path(scratch) / "hour.mp4", 360)}
        turns = in_turns(
            {name: partial(read_clips, path, sampling) for name, path in paths.items()}, ROUNDS
        )
        for name, path in paths.items():
            print(f"{name}: {path.stat().st_size / 2**20:.1f} MiB, "
                  f"median {turns.median(name):.3f} s of {ROUNDS}, "
                  f"peak memory of the decoder {peak_memory(path, sampling) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
