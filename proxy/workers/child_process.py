"""Child processes that end with the process that started them."""

import os
import sys

# Runs before the program itself. It asks the kernel to kill this process when the parent's thread
# ends (PR_SET_PDEATHSIG = 1), and checks that the parent still runs. It is a separate program, not
# a preexec_fn, because Python code between fork and exec may deadlock in a process with threads.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def die_with_parent() -> list[str]:
    """Return the prefix of a command whose process must end with this one. Empty if not on Linux.

    The kernel watches the thread that starts the process, so that thread must run as long.
    """
    if sys.platform != "linux":
        return []
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
