"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from trustydetox.corpus.engines.heap import return_free_memory

# Blocks of ten thousand bytes are the heap's, and one that is kept holds its end.
_PROGRAM = """
import ctypes
import sys
from trustydetox.corpus.engines.heap import return_free_memory

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
blocks = [libc.malloc(10_000) for _ in range(10_000)]
for block in blocks:
    ctypes.memset(block, 1, 10_000)
for block in blocks[:-1]:
    libc.free(block)
before = held()
if sys.argv[1] == "yes":
    return_free_memory()
print(before - held() > 50)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("asked", "falls"), [("yes", "True"), ("no", "False")])
def test_what_is_freed_inside_the_heap_goes_back(asked: str, falls: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == falls


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", None)
    return_free_memory()


def test_nor_where_the_c_library_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    return_free_memory()
