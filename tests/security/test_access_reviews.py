"""Rate limits apply before the proxy sends an access review to the cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.world import World
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import free_port, make_sekisho

LIMITS = """
limits:
  user: {requests_per_second: 0.001, burst: 3}
"""


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[World]:
    """A proxy that allows three requests per user, in front of one recording upstream."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    with RecordingUpstream(folder, "service-account-token") as upstream:
        sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
        sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        sekisho.config.write_text(sekisho.config.read_text() + LIMITS)
        sekisho.run(
            *("admin", "cluster", "add", "a", "--server", upstream.url),
            *("--ca-file", str(upstream.ca_file), "--token-file", str(upstream.token_file)),
        )
        world = World(sekisho, upstream, upstream)
        world.users["root"] = sekisho.create_user("root", "--admin")
        sekisho.start()
        try:
            world.tokens["root"] = sekisho.token("root")
            upstream.reset()
            yield world
        finally:
            sekisho.stop()


def impersonation_headers(*names: bytes) -> tuple[bytes, ...]:
    return (b"Impersonate-User: jane", *(b"Impersonate-Group: " + one for one in names))


def test_request_over_limit_is_rejected_before_access_review(limited: World) -> None:
    world = limited
    for n in range(3):
        assert world.send(world.head(*impersonation_headers(b"g%d" % n), user="root")).status == 403
    reviews = len(world.a.reviews())
    assert reviews == 6
    for n in range(10):
        assert world.send(world.head(*impersonation_headers(b"h%d" % n), user="root")).status == 429
    assert len(world.a.reviews()) == reviews


@pytest.mark.parametrize("kind", ["groups", "extras", "both"])
def test_groups_and_extras_over_limit_are_rejected_without_access_review(
    world: World, kind: str
) -> None:
    groups = {"groups": 257, "extras": 0, "both": 150}[kind]
    extras = {"groups": 0, "extras": 257, "both": 107}[kind]
    lines = [b"Impersonate-User: jane"]
    lines += [b"Impersonate-Group: g%d" % n for n in range(groups)]
    lines += [b"Impersonate-Extra-K: v%d" % n for n in range(extras)]
    response = world.send(world.head(*lines))
    assert response.status in {400, 431}
    assert world.a.reviews() == []
