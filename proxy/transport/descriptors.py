"""The process's limit on open files and connections."""

import resource

_MOST = 1024 * 1024
"""Replaces an infinite limit; more than any machine serves."""

_OTHERS = 256
"""Descriptors reserved for the store, logs and listeners."""


def raise_limit() -> None:
    """Raise the soft limit on open files to the hard limit.

    The lower soft limit is for programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # A container may forbid it, and the limit stays.
            return


def most_connections() -> int:
    """Return the maximum number of clients. Each may need a second connection, to a cluster."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if soft == resource.RLIM_INFINITY else min(soft, _MOST)
    return max((most - _OTHERS) // 2, 16)
