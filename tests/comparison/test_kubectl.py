"""kubectl behaves equally through the proxy and directly, command by command."""

import json
import shlex
from collections.abc import Mapping
from subprocess import CompletedProcess

import pytest

from tests.comparison import cases
from tests.comparison.sides import Side, transcript
from tests.comparison.world import World

EDITOR = {"KUBE_EDITOR": "sed -i s/value/edited/"}


def run_commands(
    side: Side, commands: list[str], *, plain: bool = False, env: Mapping[str, str] = EDITOR
) -> str:
    """Run commands in order, also after failures; return their transcripts."""
    done = (
        (command, side.run(*shlex.split(command), env=env, plain=plain)) for command in commands
    )
    return "\n".join(transcript(one, command=command) for command, one in done)


@pytest.mark.parametrize("case", cases.WRITE_CASES)
def test_kubectl_write_commands_behave_equally(world: World, case: str) -> None:
    world.compare(lambda side: run_commands(side, cases.WRITE_CASES[case]))


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
@pytest.mark.parametrize("case", cases.POD_CASES)
def test_kubectl_pod_commands_behave_equally(world: World, case: str, websockets: str) -> None:
    def with_pod(side: Side) -> str:
        world.create_pod(side).say("first\nsecond")
        return run_commands(
            side, cases.POD_CASES[case], env={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
        )

    world.compare(with_pod)


@pytest.mark.parametrize("case", cases.READ_CASES)
def test_kubectl_read_commands_behave_equally(world: World, case: str) -> None:
    world.compare_reads(lambda side: run_commands(side, cases.READ_CASES[case]))


@pytest.mark.parametrize("user", ["bob", "carol"])
def test_forbidden_commands_fail_with_equal_messages(world: World, user: str) -> None:
    commands = [
        cases.CREATE_ONE,
        "get clusterroles",
        "get cm",
        "delete cm --all",
        "auth can-i --list",
    ]
    world.compare(lambda side: run_commands(side, commands), user=user)


@pytest.mark.parametrize("case", cases.IMPERSONATION_CASES)
def test_impersonation_by_authorized_user_behaves_equally(world: World, case: str) -> None:
    world.compare(lambda side: run_commands(side, cases.IMPERSONATION_CASES[case], plain=True))


def test_impersonation_of_service_account_by_member_behaves_equally(world: World) -> None:
    """Kubernetes' role ``edit`` allows it for service accounts of its namespaces."""
    commands = cases.IMPERSONATION_CASES["--as a service account"]
    world.compare(lambda side: run_commands(side, commands, plain=True), user="bob")


@pytest.mark.parametrize("case", cases.IMPERSONATION_CASES)
def test_impersonation_by_unauthorized_user_is_forbidden(world: World, case: str) -> None:
    """Messages differ between proxy and API servers, so the test compares their meaning."""

    def refused(side: Side) -> object:
        responses = []
        for command in cases.IMPERSONATION_CASES[case]:
            done = side.run(*shlex.split(command), plain=True)
            assert "(Forbidden)" in done.stderr
            assert f'User "{world.proxy.users["carol"]}" cannot impersonate' in done.stderr
            responses.append((command, done.returncode, done.stdout))
        return responses

    world.compare(refused, user="carol")


def test_impersonation_adds_original_user_only(world: World) -> None:
    def whoami(side: Side) -> object:
        review = side.run("auth", "whoami", "--as=jane", "--as-group=dev", "-o", "json", plain=True)
        info = json.loads(review.stdout)["status"]["userInfo"]
        extra = info.pop("extra", {})
        if side.name == "proxy":
            original = {"originaluser", "originalusername", "originalprincipalid"}
            assert set(extra) == original | {"requestid"}
            assert extra["originaluser"] == [world.proxy.users["alice"]]
        return info

    world.compare(whoami)


@pytest.mark.parametrize("user", ["alice", "bob", "carol"])
def test_whoami_differs_only_in_request_id(world: World, user: str) -> None:
    def whoami(side: Side) -> object:
        info = json.loads(side.run_checked("auth", "whoami", "-o", "json"))["status"]["userInfo"]
        if side.name == "proxy":
            assert info["extra"].pop("requestid")
        return info

    world.compare(whoami, user=user)


def test_kubectl_verbose_output_is_equal(world: World) -> None:
    def verbose_output(side: Side) -> object:
        side.run_checked(*shlex.split(cases.CREATE_ONE))
        done = side.run("get", "configmap", "one", "-o", "yaml", "-v=9")
        return comparable(done)

    world.compare(verbose_output)


def comparable(done: "CompletedProcess[str]") -> str:
    """Return output and exit code without lines on credentials, connections and request ids."""
    volatile = [
        *("Authorization", "Impersonate-", "HTTP Trace", "HTTP Statistics", "Audit-Id"),
        *("X-Request-Id", "Dialed", "curl -v", "Date:"),
    ]
    lines = [
        line for line in done.stderr.splitlines() if not any(mark in line for mark in volatile)
    ]
    return f"{done.stdout}\n{done.returncode}\n" + "\n".join(lines)
