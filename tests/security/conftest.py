"""A real proxy in front of two upstreams that record every byte they receive.

The clusters are ``a`` and ``b``. alice has access to both, bob to ``a``, and eve to none. root is
an administrator.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.security.world import World
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import PASSWORD, free_port, make_sekisho, running

GRANTS = (("alice", "a"), ("alice", "b"), ("bob", "a"))


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("security")
    with ExitStack() as stack:
        a, b = (stack.enter_context(_upstream(folder / name)) for name in ("a", "b"))
        sekisho = make_sekisho(folder, (free_port(), free_port()))
        # Controllers would send requests of their own to the upstreams.
        sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        world = World(sekisho, a, b)
        with running(sekisho):
            _create_clusters_and_users(world)
            yield world


def _upstream(folder: Path) -> RecordingUpstream:
    folder.mkdir()
    return RecordingUpstream(folder, f"service-account-token-of-{folder.name}")


def _create_clusters_and_users(world: World) -> None:
    """Create clusters, users, tokens and grants.

    The command line is slow, so it is used only where the API offers no other way.
    """
    sekisho = world.sekisho

    def add(name: str, upstream: RecordingUpstream) -> None:
        sekisho.run(
            *("admin", "cluster", "add", name, "--server", upstream.url),
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
        signed_in = sekisho.request("POST", "/v1/login/local", body=credentials).json()
        created = sekisho.request("POST", "/v1/tokens", token=signed_in["token"], body={})
        world.tokens[name] = created.json()["token"]
    clusters = sekisho.request("GET", "/v1/clusters", token=world.tokens["root"]).json()["items"]
    world.clusters.update({one["name"]: one["id"] for one in clusters})
    for user, cluster in GRANTS:
        granted = sekisho.request(
            "PUT",
            f"/v1/clusters/{cluster}/members/{world.users[user]}",
            token=world.tokens["root"],
            body={"role": "member"},
        )
        assert granted.status in {200, 201, 204}, granted.body


@pytest.fixture
def world(_world: World) -> World:
    """Return the proxy and its two upstreams, with empty recordings."""
    _world.a.reset()
    _world.b.reset()
    return _world
