"""A Sekisho that waits longer for API servers than those of other tests of faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import FaultSekisho
from tests.support.sekisho import running


@contextmanager
def running_patiently(prepared: FaultSekisho, folder: Path) -> Iterator[FaultSekisho]:
    """Run a Sekisho with a longer timeout, because an API server's first response takes seconds.

    It is shorter than the clients' 30 s, so that they receive the error.
    """
    limits = {
        "SEKISHO_UPSTREAM__CONNECT_TIMEOUT": "2s",
        "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "20s",
    }
    sekisho = prepared.copy(folder, **limits)
    with running(sekisho):
        yield sekisho
        assert sekisho.stop() == 0
