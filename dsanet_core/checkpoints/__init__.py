"""Checkpoints: weights and everything that is needed to run them, in one safetensors file.

Its metadata carry the ModelSpec, recipe, seed, measured accuracy and training domain, so that a
file is enough. Files may come from anywhere and are never trusted: `checkpoint_file` detects the
format from the content, the header readers (`header`, `torch_files`) enforce `CheckpointLimits`
before memory is allocated for a tensor, `metadata` validates the description, and nothing in a file
is executed. `foreign_formats` reads the checkpoints of other code bases. `registry` finds the
embedded weights (`checkpoints/manifest.json`) and those of users by name.

Everything that needs torch is imported on first use.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsanet_core.lazy import LazyExports

FOLDER = Path(__file__).parents[2] / "checkpoints"
"""Folder of the embedded weights and their manifest; a process may set another one."""
USER_FOLDER = FOLDER.with_name("weights")
"""Folder of the users' checkpoints, each with its entry; a process may set another one."""


@dataclass(frozen=True)
class CheckpointLimits:
    """Limits for one checkpoint file, checked against its size and headers before memory is
    allocated for a tensor; a file beyond any of them is refused with a `CheckpointError`.

    file_bytes: of the file. header_bytes: of the JSON of a .safetensors file, and of the directory
    of a .pth archive. num_tensors, tensor_bytes: of all tensors, including those that the
    checkpoint's own description asks for. pickle_bytes: of the pickle in a .pth archive.
    archive_entries: files in a .pth archive.
    """

    file_bytes: int = 4 << 30
    header_bytes: int = 2 << 20
    num_tensors: int = 4_000
    tensor_bytes: int = 4 << 30
    pickle_bytes: int = 2 << 20
    archive_entries: int = 4_010


DEFAULT_LIMITS = CheckpointLimits()

if TYPE_CHECKING:
    from dsanet_core.checkpoints.foreign_formats import Choices
    from dsanet_core.checkpoints.importing import import_checkpoint
    from dsanet_core.checkpoints.load import (
        Weights,
        load_imagenet,
        load_model,
        load_weights,
        pick_device,
        read_spec,
        start_from,
    )
    from dsanet_core.checkpoints.registry import (
        available_weights,
        damaged_entries,
        read_manifest,
        write_manifest,
    )
    from dsanet_core.checkpoints.save import save_checkpoint

__getattr__ = LazyExports(__name__, __file__).load

__all__ = [
    "DEFAULT_LIMITS",
    "FOLDER",
    "USER_FOLDER",
    "CheckpointLimits",
    "Choices",
    "Weights",
    "available_weights",
    "damaged_entries",
    "import_checkpoint",
    "load_imagenet",
    "load_model",
    "load_weights",
    "pick_device",
    "read_manifest",
    "read_spec",
    "save_checkpoint",
    "start_from",
    "write_manifest",
]
