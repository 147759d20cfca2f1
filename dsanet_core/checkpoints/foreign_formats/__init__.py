"""Checkpoints of other people's codes: `formats` is the table of those that are known, `understand`
says what network a file holds and which of its tensors goes where, `labels` names its outputs.
"""

from dsanet_core.checkpoints.foreign_formats.labels import read_classes
from dsanet_core.checkpoints.foreign_formats.understand import (
    NO_CHOICES,
    Choices,
    Understood,
    understand,
)

__all__ = ["NO_CHOICES", "Choices", "Understood", "read_classes", "understand"]
