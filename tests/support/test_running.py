"""Servers end with the block or the failed test that has started them."""

from pathlib import Path

import pytest

from tests.support.running import pytest_runtest_call
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running


@pytest.fixture
def server(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (free_port(), free_port()))


class Failure(Exception):
    """What a test fails with."""


def fail_with(server: Sekisho) -> None:
    """Start a server as in a test that fails afterwards."""
    call = pytest_runtest_call()
    next(call)
    if not server.is_running:
        server.start()
    with pytest.raises(Failure):
        call.throw(Failure)


def test_server_ends_with_a_block_that_fails(server: Sekisho) -> None:
    with pytest.raises(Failure), running(server):
        raise Failure
    assert not server.is_running


def test_server_of_a_failed_test_ends_and_one_from_before_goes_on(
    server: Sekisho, tmp_path: Path
) -> None:
    fail_with(server)
    assert not server.is_running
    with running(server):
        fail_with(server)
        assert server.is_running


def test_server_that_does_not_start_leaves_no_process(server: Sekisho) -> None:
    server.config.write_text("server: {listen: nowhere}\n")
    with pytest.raises(AssertionError, match="did not start"):
        server.start()
    assert not server.is_running
