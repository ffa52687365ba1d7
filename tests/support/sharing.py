"""Assign tests to the processes of pytest-xdist.

The tests of a file run in one process, and so do all tests that compare one pair of versions,
because each pair has its own cluster, which takes long to fill. The tests of shipped classes share
a management cluster with the definitions of all providers.
"""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_PAIR = re.compile(r"\[(v[\d.]+-kubectl-v[\d.]+)")
_FOLDER = "tests/deploy/classes/"


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # no type information
    """Distribute groups of tests in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_FOLDER):
            return _FOLDER
        pair = _PAIR.search(nodeid)
        return pair[1] if pair else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """Return this project's scheduler, independent of ``--dist``."""
    return Sharing(config, log)
