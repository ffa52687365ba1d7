"""Memory of closed connections is returned to the system."""

import subprocess
import sys

import pytest

HOLES = """
import re
from proxy.background.memory import trim_heap
SIZE = 256 * 1024
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
bytearray(SIZE)  # freed immediately, so that glibc raises its mmap threshold
blocks, small = [], []
for _ in range(400):
    blocks.append(bytearray(SIZE))
    small.append(bytearray(2000))  # stays allocated between the blocks
for block in blocks:
    block[:] = bytes(SIZE)
del block
full = resident()
for index in range(400):
    blocks[index] = None
print(trim_heap(), full - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_trim_heap_returns_freed_blocks_between_allocated_ones() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    known, returned_kib = done.stdout.split()
    if known == "False":
        pytest.skip("this C library has no malloc_trim")
    assert int(returned_kib) > 90 * 1024
