"""A running Sekisho without a cluster, for the API."""

from collections.abc import Iterator

import pytest

from tests.parts.sekisho import Sekisho, free_port, make_sekisho


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """alice and bob are users, root is an administrator."""
    folder = tmp_path_factory.mktemp("api")
    made = make_sekisho(folder, (free_port(), free_port()))
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000"
    made.start()
    for name in ("alice", "bob"):
        made.create_user(name)
    made.create_user("root", "--admin")
    yield made
    made.stop()
