"""A real gate in front of two upstreams that keep every byte they get.

``a`` and ``b`` are the clusters. alice may enter both and bob only ``a``; root administers, eve may
enter none.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.parts.recording_upstream import RecordingUpstream
from tests.parts.sekisho import PASSWORD, free_port, make_sekisho
from tests.security.world import World

GRANTS = (("alice", "a"), ("alice", "b"), ("bob", "a"))


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("security")
    with ExitStack() as stack:
        a, b = (stack.enter_context(_upstream(folder / name)) for name in ("a", "b"))
        sekisho = make_sekisho(folder, (free_port(), free_port()))
        # Only what people send is looked at.
        sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        world = World(sekisho, a, b)
        sekisho.start()
        stack.callback(sekisho.stop)
        _people(world)
        yield world


def _upstream(folder: Path) -> RecordingUpstream:
    folder.mkdir()
    return RecordingUpstream(folder, f"service-account-token-of-{folder.name}")


def _people(world: World) -> None:
    """Clusters and users, by the command line as far as there is no other way: it takes a while."""
    sekisho = world.sekisho

    def add(name: str, upstream: RecordingUpstream) -> None:
        sekisho.run(
            *("cluster", "add", name, "--server", upstream.url),
            *("--ca-file", str(upstream.ca_file), "--token-file", str(upstream.token_file)),
        )

    def create(name: str) -> None:
        options = ["--admin"] if name == "root" else []
        world.users[name] = sekisho.create_user(name, *options)

    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(add, "a", world.a), pool.submit(add, "b", world.b)]
        work += [pool.submit(create, name) for name in ("alice", "bob", "eve", "root")]
    for one in work:
        one.result()
    for name in world.users:
        credentials = {"username": name, "password": PASSWORD}
        signed_in = sekisho.ask("POST", "/v1/login/local", body=credentials).json()
        made = sekisho.ask("POST", "/v1/tokens", token=signed_in["token"], body={})
        world.tokens[name] = made.json()["token"]
    clusters = sekisho.ask("GET", "/v1/clusters", token=world.tokens["root"]).json()["items"]
    world.clusters.update({one["name"]: one["id"] for one in clusters})
    for user, cluster in GRANTS:
        granted = sekisho.ask(
            "PUT",
            f"/v1/clusters/{cluster}/members/{world.users[user]}",
            token=world.tokens["root"],
            body={"role": "member"},
        )
        assert granted.status in {200, 201, 204}, granted.body


@pytest.fixture
def world(_world: World) -> World:
    """The gate and its two upstreams, which have got nothing yet."""
    _world.a.clear()
    _world.b.clear()
    return _world
