"""kubectl says the same through the gate as directly, command by command."""

import json
import shlex
from collections.abc import Mapping
from subprocess import CompletedProcess

import pytest

from tests.comparison import cases
from tests.comparison.sides import Side, transcript
from tests.comparison.world import World

EDITOR = {"KUBE_EDITOR": "sed -i s/value/edited/"}


def play(
    side: Side, commands: list[str], *, plain: bool = False, env: Mapping[str, str] = EDITOR
) -> str:
    """Run commands one after the other, whatever becomes of each; what was said."""
    done = ((said, side.run(*shlex.split(said), env=env, plain=plain)) for said in commands)
    return "\n".join(transcript(one, said=said) for said, one in done)


@pytest.mark.parametrize("case", cases.WRITING)
def test_kubectl_does_the_same(world: World, case: str) -> None:
    world.same(lambda side: play(side, cases.WRITING[case]))


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
@pytest.mark.parametrize("case", cases.PODS)
def test_kubectl_does_the_same_with_pods(world: World, case: str, websockets: str) -> None:
    def with_pod(side: Side) -> str:
        world.pod(side).say("first\nsecond")
        return play(side, cases.PODS[case], env={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets})

    world.same(with_pod)


@pytest.mark.parametrize("case", cases.READING)
def test_kubectl_reads_the_same(world: World, case: str) -> None:
    world.same_to_read(lambda side: play(side, cases.READING[case]))


@pytest.mark.parametrize("person", ["bob", "carol"])
def test_what_is_refused_is_refused_in_the_same_words(world: World, person: str) -> None:
    wishes = [cases.MADE, "get clusterroles", "get cm", "delete cm --all", "auth can-i --list"]
    world.same(lambda side: play(side, wishes), person=person)


@pytest.mark.parametrize("case", cases.IMPERSONATING)
def test_as_is_the_same_for_those_who_may(world: World, case: str) -> None:
    world.same(lambda side: play(side, cases.IMPERSONATING[case], plain=True))


def test_as_a_service_account_is_the_same_for_a_member(world: World) -> None:
    """The role ``edit`` of Kubernetes allows it, within its namespaces."""
    wishes = cases.IMPERSONATING["--as a service account"]
    world.same(lambda side: play(side, wishes, plain=True), person="bob")


@pytest.mark.parametrize("case", cases.IMPERSONATING)
def test_as_is_refused_to_those_who_may_not(world: World, case: str) -> None:
    """The words are the gate's own, and differ between API servers; what they mean is the same."""

    def refused(side: Side) -> object:
        answers = []
        for said in cases.IMPERSONATING[case]:
            done = side.run(*shlex.split(said), plain=True)
            assert "(Forbidden)" in done.stderr
            assert f'User "{world.gate.users["carol"]}" cannot impersonate' in done.stderr
            answers.append((said, done.returncode, done.stdout))
        return answers

    world.same(refused, person="carol")


def test_as_adds_who_it_was_and_nothing_else(world: World) -> None:
    def whoami(side: Side) -> object:
        review = side.run("auth", "whoami", "--as=jane", "--as-group=dev", "-o", "json", plain=True)
        info = json.loads(review.stdout)["status"]["userInfo"]
        extra = info.pop("extra", {})
        if side.name == "gate":
            original = {"originaluser", "originalusername", "originalprincipalid"}
            assert set(extra) == original | {"requestid"}
            assert extra["originaluser"] == [world.gate.users["alice"]]
        return info

    world.same(whoami)


@pytest.mark.parametrize("person", ["alice", "bob", "carol"])
def test_whoami_is_the_same_but_for_the_requests_id(world: World, person: str) -> None:
    def whoami(side: Side) -> object:
        info = json.loads(side.ok("auth", "whoami", "-o", "json"))["status"]["userInfo"]
        if side.name == "gate":
            assert info["extra"].pop("requestid")
        return info

    world.same(whoami, person=person)


def test_what_kubectl_tells_with_v9_is_the_same(world: World) -> None:
    def told(side: Side) -> object:
        side.ok(*shlex.split(cases.MADE))
        done = side.run("get", "configmap", "one", "-o", "yaml", "-v=9")
        return comparable(done)

    world.same(told)


def comparable(done: "CompletedProcess[str]") -> str:
    """Without the lines on the way there: who asks, how connections are made, a request's ids."""
    ways = [
        *("Authorization", "Impersonate-", "HTTP Trace", "HTTP Statistics", "Audit-Id"),
        *("X-Request-Id", "Dialed", "curl -v", "Date:"),
    ]
    lines = [line for line in done.stderr.splitlines() if not any(way in line for way in ways)]
    return f"{done.stdout}\n{done.returncode}\n" + "\n".join(lines)
