"""What a device has to give."""

from __future__ import annotations

import torch


def free_bytes(device: torch.device) -> int:
    """Bytes that this process can still take of a GPU, with those that torch holds unused."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
