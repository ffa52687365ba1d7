"""``sekisho audit``: searching and following events at a running server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.proxy.cli.verbs.conftest import CommandLine
from tests.support.waiting import wait_until


def refused(line: CommandLine) -> None:
    """Send a request that is refused."""
    line.fails("role", "delete", "standard-user", "--yes")


def test_refusals_are_found_by_those_who_may_see_them(
    root: CommandLine, alice: CommandLine, bob: CommandLine
) -> None:
    refused(alice)
    found: list[dict[str, object]] = []

    def stored() -> bool:
        found[:] = root.json("audit", "--user", "alice", "--outcome", "refused")
        return bool(found)

    wait_until(stored, what="the event")
    assert {(one["username"], one["code"]) for one in found} == {("alice", 403)}
    own = alice.json("audit", "--outcome", "403", "--since", "1h")[0]
    assert own["request_id"] == found[0]["request_id"]
    assert bob.json("audit", "--user", "alice") == []
    lines = root.run("audit", "--user", "alice", "--outcome", "refused").stdout.splitlines()
    headings = "TIME USER VERB WHAT CLUSTER NAMESPACE CODE REASON"
    assert " ".join(lines[0].split()) == headings
    assert "alice" in lines[1]
    request_id = str(found[0]["request_id"])
    assert request_id in root.run("audit", "--request-id", request_id, "-o", "wide").stdout
    assert root.json("audit", "--request-id", request_id) == [found[0]]
    token = str(found[0]["token"])
    assert found[0] in root.json("audit", "--token", token)
    assert found[0] in root.json("audit", "--token", f"{token}:secret", "--user", "alice")
    assert root.json("audit", "--token", "token-other") == []


def test_sign_ins_are_listed_and_a_limit_is_reported(root: CommandLine) -> None:
    wait_until(lambda: bool(root.json("audit", "--sign-ins")), what="the sign-in")
    assert all(one["sign_in"] for one in root.json("audit", "--sign-ins"))
    assert len(root.json("audit", "--limit", "1")) == 1


def test_empty_result_and_invalid_filter_are_one_sentence(bob: CommandLine) -> None:
    done = bob.run("audit", "--cluster", "nowhere")
    assert "No events that you may see match." in done.stderr
    error = bob.fails("audit", "--since", "yesterday")
    assert "since must be a time" in error
    assert error.count("\n") == 1
    assert "--follow has no end" in bob.fails("audit", "--follow", "--limit", "3")


@contextmanager
def following(line: CommandLine, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``sekisho audit --follow`` as a process."""
    command = [sys.executable, "-m", "proxy", "audit", "--follow", *words]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(line.home), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_follow_shows_new_events_until_interrupted(alice: CommandLine) -> None:
    with following(alice, "--since", "1h", "--outcome", "refused", "-o", "json") as process:
        refused(alice)
        assert process.stdout is not None
        event = json.loads(process.stdout.readline())
        assert (event["username"], event["outcome"]) == ("alice", "refused")
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
