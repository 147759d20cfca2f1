"""Weights with everything that is needed to run them, in one safetensors file.

The metadata carry the ModelSpec, recipe, seed, measured accuracy and training domain, so a file
is enough. Files come from anywhere: `kinds` tells by its content what one is, the readers of
headers hold it against `CheckpointLimits` before a tensor has memory, `facts` distrusts what it
says of itself, and nothing in it is ever executed. `foreign_formats` reads what other
people's codes save.
`registry` knows the embedded weights (`checkpoints/manifest.json`) and those of users by name.

What needs torch is loaded on first use.
"""

from typing import TYPE_CHECKING

from dsanet_core.checkpoints.folders import FOLDER, USER_FOLDER
from dsanet_core.checkpoints.limits import DEFAULT_LIMITS, CheckpointLimits
from dsanet_core.lazy import loader

if TYPE_CHECKING:
    from dsanet_core.checkpoints.foreign_formats import Choices
    from dsanet_core.checkpoints.imagenet import load_imagenet
    from dsanet_core.checkpoints.importing import import_checkpoint
    from dsanet_core.checkpoints.load import (
        Weights,
        load_model,
        load_weights,
        pick_device,
        read_spec,
        start_from,
    )
    from dsanet_core.checkpoints.registry import at_hand, damaged, read_manifest, write_manifest
    from dsanet_core.checkpoints.save import save_checkpoint

__getattr__ = loader(__name__, {
    "imagenet": ("load_imagenet",),
    "importing": ("import_checkpoint",),
    "load": ("Weights", "load_model", "load_weights", "pick_device", "read_spec", "start_from"),
    "foreign_formats": ("Choices",),
    "registry": ("at_hand", "damaged", "read_manifest", "write_manifest"),
    "save": ("save_checkpoint",),
})

__all__ = [
    "DEFAULT_LIMITS",
    "FOLDER",
    "USER_FOLDER",
    "CheckpointLimits",
    "Choices",
    "Weights",
    "at_hand",
    "damaged",
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
