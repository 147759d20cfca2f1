"""Facts of a machine that figures measured on it depend on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PRECISION_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")
"""Of /proc/cpuinfo: arithmetic that the CPU has in hardware."""
LOAD_FIELDS = (
    "clocks.sm", "clocks.max.sm", "clocks.mem", "power.draw", "power.limit", "temperature.gpu",
    "ecc.mode.current",
)
"""Of nvidia-smi."""
LOAD_SECONDS = 2.0
NOT_READABLE = "not readable"


def describe_machine(gpu: torch.device | None = None) -> dict[str, str]:
    """CPU, cores, precisions, torch, date and load of the machine, each in words. gpu: a CUDA
    device, which is described first."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (describe_gpu(gpu) if gpu is not None else {}) | {
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
    """Facts of the first core; empty where the system has no such file."""
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def precision_flags() -> list[str]:
    flags = cpu_facts().get("flags", "").split()
    return [flag for flag in PRECISION_FLAGS if flag in flags]


def has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware."""
    return bool({"avx512_bf16", "amx_bf16"} & set(precision_flags()))


def describe_gpu(gpu: torch.device) -> dict[str, str]:
    """Name, driver, CUDA and cuDNN."""
    import torch

    cudnn: Any = torch.backends.cudnn
    card = torch.cuda.get_device_properties(gpu)
    return {
        "GPU": f"{card.name}, compute capability {card.major}.{card.minor}, "
               f"{card.total_memory / 2**30:.1f} GiB, {card.multi_processor_count} multiprocessors",
        "driver": query_gpu(gpu, ("driver_version",)).get("driver_version", NOT_READABLE),
        "CUDA of torch": str(torch.version.cuda),
        "cuDNN": str(cudnn.version()) if cudnn.is_available() else "none",
    }


def state_under_load(gpu: torch.device, work: Callable[[], object], seconds: float) -> str:
    """Clocks, power and temperature while `work`, of so many seconds a call, keeps the GPU busy for
    about `LOAD_SECONDS`; "not readable" without nvidia-smi."""
    import torch

    for _ in range(max(1, min(2000, round(LOAD_SECONDS / max(seconds, 1e-6))))):
        work()
    facts = query_gpu(gpu, LOAD_FIELDS)
    torch.cuda.synchronize(gpu)
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or NOT_READABLE


def query_gpu(gpu: torch.device, fields: tuple[str, ...]) -> dict[str, str]:
    """Fields of nvidia-smi for this GPU; empty where it cannot be asked."""
    import torch

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    query = [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    uuid = getattr(torch.cuda.get_device_properties(gpu), "uuid", None)
    selection = [] if uuid is None else [f"--id=GPU-{uuid}"]
    for command in ([*query, *selection], query):
        try:
            reply = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return {}
        rows = reply.stdout.strip().splitlines()
        if reply.returncode == 0 and len(rows) == 1:
            values = [value.strip() for value in rows[0].split(",")]
            return dict(zip(fields, values, strict=False))
    return {}
