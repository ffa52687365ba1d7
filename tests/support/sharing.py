"""Which tests share a process, where there are several (pytest-xdist).

A file's tests stay together, and so do those that compare one pair of versions: each pair has a
cluster of its own, which takes a while to fill.
"""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_PAIR = re.compile(r"\[(v[\d.]+-kubectl-v[\d.]+)")


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out groups of tests, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        pair = _PAIR.search(nodeid)
        return pair[1] if pair else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """The scheduler of this project's tests, whatever ``--dist`` says."""
    return Sharing(config, log)
