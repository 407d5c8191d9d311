"""The machine that the numbers come from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("torch", "transformers", "tokenizers", "captum", "numpy", "pyarrow")


def peak_kib() -> int:
    """Most memory that this process has held so far, in KiB.

    Where the kernel tells it, not `ru_maxrss`: that begins with the peak of whoever started the
    process.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True)
class Machine:
    """Names of the hardware and versions of what runs on it.

    gemm: GFLOP/s of a float32 matrix product on one thread, best of five: what the machine gave
        at that hour.
    accelerator: the GPU's name; empty without one.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    versions: Mapping[str, str]
    gemm: float
    accelerator: str = ""

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.processor}, {self.cores} cores usable, {self.memory_gib:.0f} GiB, "
            f"{self.accelerator and self.accelerator + ', '}"
            f"{self.system}, Python {self.python}, {versions}; float32 product on one thread: "
            f"{self.gemm:.0f} GFLOP/s. Models run on one thread."
        )


def this_machine() -> Machine:
    """Looks the facts up and times a matrix product."""
    import torch

    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        _processor(),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        round(pages / 2**30, 1),
        f"{platform.system()} {platform.machine()}",
        platform.python_version(),
        {name: importlib.metadata.version(name) for name in PACKAGES},
        _gemm(),
        torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or "unknown processor"
    facts: dict[str, str] = {}
    for line in info.read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name", "unknown processor")
    return f"{name} (family {facts.get('cpu family')}, model {facts.get('model')})"


def _gemm(size: int = 1024) -> float:
    import torch

    left, right = torch.rand(size, size), torch.rand(size, size)
    best = float("inf")
    for _ in range(6):
        start = time.process_time()
        left @ right
        best = min(best, time.process_time() - start)
    return 2 * size**3 / best / 1e9
