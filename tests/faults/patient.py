"""A Sekisho that waits longer for API servers than those of other tests of faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import FaultSekisho
from tests.support.sekisho import running


@contextmanager
def running_patiently(
    prepared: FaultSekisho, folder: Path, *, connect: str = "2s", response_head: str = "20s"
) -> Iterator[FaultSekisho]:
    """Run a Sekisho with longer timeouts, because an API server's first response takes seconds.

    By default they are shorter than the clients' 30 s, so that these receive the error.
    """
    limits = {
        "SEKISHO_UPSTREAM__CONNECT_TIMEOUT": connect,
        "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": response_head,
    }
    sekisho = prepared.copy(folder, **limits)
    with running(sekisho):
        yield sekisho
        assert sekisho.stop() == 0
