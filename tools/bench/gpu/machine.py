"""What a GPU benchmark ran on, as far as the machine tells."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import torch

from tools.bench.gpu.stage import Stage

FIELDS = (
    "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.draw", "power.limit",
    "temperature.gpu", "ecc.mode.current",
)


def describe(stage: Stage) -> dict[str, str]:
    """Names and versions."""
    cudnn: Any = torch.backends.cudnn
    facts = {
        "GPU": "none",
        "torch": str(torch.__version__),
        "CUDA of torch": str(torch.version.cuda),
        "cuDNN": str(cudnn.version()) if cudnn.is_available() else "none",
        "Python": platform.python_version(),
    }
    if not stage.is_cuda:
        return facts
    card = torch.cuda.get_device_properties(stage.device)
    facts["GPU"] = (
        f"{card.name}, compute capability {card.major}.{card.minor}, "
        f"{card.total_memory / 2**30:.1f} GiB, {card.multi_processor_count} multiprocessors"
    )
    facts["driver"] = ask(stage, ("driver_version",)).get("driver_version", "not readable")
    return facts


def under_load(stage: Stage, work: Callable[[], object], ms: float) -> str:
    """Clocks, power and temperature while `work`, which takes so many ms, is on the GPU for about
    two seconds; "not readable" where nvidia-smi is missing."""
    for _ in range(max(1, min(2000, round(2000 / max(ms, 1e-3))))):
        work()
    facts = ask(stage, FIELDS)
    stage.sync()
    shown = [f"{name} {value}" for name, value in facts.items() if name != "driver_version"]
    return ", ".join(shown) or "not readable"


def ask(stage: Stage, fields: tuple[str, ...]) -> dict[str, str]:
    """What nvidia-smi says of this GPU; nothing where it does not."""
    tool = shutil.which("nvidia-smi")
    if tool is None or not stage.is_cuda:
        return {}
    query = [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    uuid = getattr(torch.cuda.get_device_properties(stage.device), "uuid", None)
    which = [] if uuid is None else [f"--id=GPU-{uuid}"]
    for command in ([*query, *which], query):
        try:
            answer = subprocess.run(
                command, capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return {}
        rows = answer.stdout.strip().splitlines()
        if answer.returncode == 0 and len(rows) == 1:
            values = [value.strip() for value in rows[0].split(",")]
            return dict(zip(fields, values, strict=False))
    return {}
