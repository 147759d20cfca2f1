"""What a machine is, as far as figures measured on it depend on that."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

PRECISION_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")
"""Of /proc/cpuinfo: what the CPU computes in hardware."""


def describe_machine() -> dict[str, str]:
    """CPU, cores, precisions, torch, date and how busy the machine is, each in words."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "CPU": cpu_facts().get("model name") or platform.processor() or platform.machine(),
        "cores": f"{cores} of {os.cpu_count()}",
        "precision support": " ".join(precision_flags()) or "not known",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads, "
                 f"{torch.backends.cpu.get_cpu_capability()}",
        "Python": f"{platform.python_version()}, {platform.system()} {platform.release()}",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load when it began": f"{load} (1, 5, 15 minutes)",
    }


def cpu_facts(path: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Facts of the first core, empty where the system does not tell."""
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def precision_flags() -> list[str]:
    flags = cpu_facts().get("flags", "").split()
    return [flag for flag in PRECISION_FLAGS if flag in flags]


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    return bool({"avx512_bf16", "amx_bf16"} & set(precision_flags()))
