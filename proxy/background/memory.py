"""Settings of the garbage collector, and returning free heap pages to the system.

Garbage collector: reference counts free nearly all objects here. The collector is needed for cycles
only, and it blocks every request while it runs. A full collection after a start visits 120,000
objects (modules, routes, tables, models) that are never garbage, which takes a tenth of a second
each time. See docs/decisions/0023-start-up.md for the measurements.

Heap: each TLS connection has a buffer of a quarter of a MiB (uvloop's), of which two or three pages
are ever touched, and each large read needs one for a moment. Once glibc has seen a few, it keeps
them on the heap, where closed connections leave holes between objects that stay. By itself it
returns only pages at the end of the heap; ``malloc_trim`` returns all free pages. Mapping such
blocks separately (``mallopt``) frees them immediately, but costs a request two to three times its
CPU: a system call and page faults for each large read.
"""

import asyncio
import ctypes
import gc

THRESHOLDS = (5_000, 10, 5)
"""Allocations before the youngest generation is collected (0.2 ms); then Python's defaults.

Most of Python's default of 700 are parts of running requests: they survive, and count towards a
full collection. A much larger number would delay the release of cycles that hold sockets.
"""

TRIM_SECONDS = 60.0
"""How often the heap is trimmed. It takes some milliseconds for each 100 MiB, in a thread."""


def disable_gc_during_startup() -> None:
    """Disable the collector while the program is assembled: none of these objects is garbage."""
    gc.disable()


def freeze_startup_objects() -> None:
    """Exclude all present objects from collection, and enable the collector."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()


async def trim_heap_forever() -> None:
    """Trim the heap every TRIM_SECONDS until cancelled."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        await asyncio.to_thread(trim_heap)


def trim_heap() -> bool:
    """Return free heap pages to the system. False if the C library cannot (glibc can)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    trim(0)
    return True
