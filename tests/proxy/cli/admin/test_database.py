"""Where commands that open the database write their log lines."""

from collections.abc import Iterator

import pytest
import structlog

from config.loggers import get_logger
from proxy.cli.admin.database import log_to_stderr


@pytest.fixture
def default_logging() -> Iterator[None]:
    """Run the test with structlog's defaults, and restore what was configured."""
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


@pytest.mark.usefixtures("default_logging")
def test_log_lines_go_to_standard_error_where_only_processors_were_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.configure(processors=structlog.get_config()["processors"])
    log_to_stderr()
    get_logger(__name__).warning("the key is beside the data")
    written = capsys.readouterr()
    assert (written.out, "the key is beside the data" in written.err) == ("", True)
