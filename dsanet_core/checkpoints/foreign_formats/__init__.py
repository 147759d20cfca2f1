"""Checkpoints of other code bases: `formats` is the table of the known ones, `architecture` infers
the network from tensor shapes, `interpret` derives its spec and the mapping of tensor names,
`labels` reads class names.
"""

from dsanet_core.checkpoints.foreign_formats.interpret import (
    NO_CHOICES,
    Choices,
    ForeignCheckpoint,
    interpret,
)
from dsanet_core.checkpoints.foreign_formats.labels import read_classes

__all__ = ["NO_CHOICES", "Choices", "ForeignCheckpoint", "interpret", "read_classes"]
