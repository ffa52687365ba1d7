"""Names from providers and users reach the cluster unchanged in their own header, or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.security.world import World
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho, running

UNUSUAL_NAMES = [
    "Zoë Müller",
    "名前",
    "a%0d%0aImpersonate-Group%3A system%3Amasters",
    "a, Impersonate-Group= system.masters",
    '"quoted" <b>&amp;',
    "System\uff1amasters",
    "😀" * 30,
]

PROVIDER = dedent(
    '''
    """A provider that returns any identity: the password is the identity as JSON."""

    import json
    from dataclasses import dataclass

    from pydantic import BaseModel, ConfigDict

    from providers.base import ExternalGroup, ExternalIdentity, PasswordAttempt


    class EchoSettings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)


    class EchoProvider:
        def __init__(self, name):
            self.name = name

        async def start(self):
            pass

        async def close(self):
            pass

        async def check(self):
            pass

        async def authenticate(self, attempt: PasswordAttempt):
            fields = json.loads(attempt.password)
            groups = tuple(ExternalGroup(*one) for one in fields.pop("groups", ()))
            return ExternalIdentity(display_name="x", groups=groups, **fields)


    @dataclass(frozen=True)
    class EchoType:
        settings_model: type[BaseModel] = EchoSettings

        def schemes(self, name, settings):
            return ("echo_user", "echo_group")

        def create(self, name, settings, context):
            return EchoProvider(name)


    PROVIDER = EchoType()
    '''
)


@pytest.fixture(scope="module")
def _provider_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Sekisho, RecordingUpstream]]:
    folder = tmp_path_factory.mktemp("echo")
    (folder / "upstream").mkdir()
    config = "providers:\n- {type: local, name: local}\n- {type: echo, name: echo}\n"
    sekisho = make_sekisho(folder, (free_port(), free_port()), config)
    # Controllers would send requests of their own to the upstream.
    sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
    sekisho.environment["PYTHONPATH"] = str(_install_provider(folder / "site"))
    with RecordingUpstream(folder / "upstream", "service-account-token") as upstream:
        for name, server in (
            ("a", upstream.url),
            ("named", upstream.url.replace("127.0.0.1", "localhost")),
        ):
            options = () if name == "a" else ("--username-mapping", "username")
            sekisho.run(
                *(
                    "admin",
                    "cluster",
                    "add",
                    name,
                    "--server",
                    server,
                    "--ca-file",
                    str(upstream.ca_file),
                ),
                *("--token-file", str(upstream.token_file), *options),
            )
        with running(sekisho):
            sekisho.create_user("root", "--admin")
            yield sekisho, upstream


def _install_provider(site: Path) -> Path:
    """Install the provider as pip would, and return the folder."""
    info = site / "sekisho_echo-1.dist-info"
    info.mkdir(parents=True)
    (site / "sekisho_echo.py").write_text(PROVIDER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sekisho-echo\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sekisho.providers]\necho = sekisho_echo:PROVIDER\n")
    return site


@pytest.fixture
def provider_world(_provider_server: tuple[Sekisho, RecordingUpstream]) -> World:
    """A proxy with the echo provider, in front of one upstream that has two names."""
    sekisho, upstream = _provider_server
    upstream.reset()
    return World(sekisho, upstream, upstream)


def sign_in(provider_world: World, **fields: object) -> tuple[int, dict[str, Any]]:
    body = {"username": "x", "password": json.dumps({"username": "zoe", **fields})}
    response = provider_world.sekisho.request("POST", "/v1/login/echo", body=body)
    return response.status, response.json()


def grant_access(provider_world: World, user_id: str) -> None:
    root = {"username": "root", "password": PASSWORD}
    token = provider_world.sekisho.request("POST", "/v1/login/local", body=root).json()["token"]
    for cluster in ("a", "named"):
        response = provider_world.sekisho.request(
            "PUT",
            f"/v1/clusters/{cluster}/members/{user_id}",
            token=token,
            body={"role": "member"},
        )
        assert response.status == 200, response.body


RESERVED = ["system:masters", "SYSTEM:Masters", " system:masters", "sekisho:administrators"]
LINE_BREAKING = [
    "x\r\nImpersonate-Group: system:masters",
    "x\nImpersonate-Group: system:masters",
    "x\rImpersonate-Group: system:masters",
    "x\x00",
    "x\x1f",
    "",
    " ",
]


@pytest.mark.parametrize("name", [*RESERVED, *LINE_BREAKING])
def test_reserved_or_line_breaking_name_of_provider_is_rejected(
    provider_world: World, name: str
) -> None:
    """A reserved name such as system:masters in any field of the identity prevents the sign-in."""
    good = "echo_user://1"
    for fields in (
        {"principal_id": name},
        {"principal_id": f"echo_user://{name}" if name in LINE_BREAKING[:-1] else name},
        {"principal_id": good, "username": name},
        {"principal_id": good, "groups": [[name, "Group"]]},
        {"principal_id": good, "groups": [["echo_group://1", "Fine"], [name, "Group"]]},
    ):
        status, body = sign_in(provider_world, **fields)
        assert status in {401, 503}, fields
        assert "token" not in body
    provider_world.a.reset()
    assert provider_world.a.recorded == []


@pytest.mark.parametrize("group", ["github_team://1", "local://u-aaaaaaaaaa", "group", "://x"])
def test_provider_may_return_its_own_principals_only(provider_world: World, group: str) -> None:
    fields = {"principal_id": "echo_user://1", "groups": [[group, "Group"]]}
    assert sign_in(provider_world, **fields)[0] == 503
    assert sign_in(provider_world, principal_id=group)[0] == 503


@pytest.mark.parametrize("number", range(len(UNUSUAL_NAMES)))
def test_unusual_name_is_forwarded_unchanged_in_its_own_header(
    provider_world: World, number: int
) -> None:
    name = UNUSUAL_NAMES[number]
    principal = f"echo_user://{number}/{name}"
    group = f"echo_group://{name}"
    status, body = sign_in(
        provider_world, principal_id=principal, username=name, groups=[[group, "system or not"]]
    )
    assert status == 200
    user_id = body["user"]["id"]
    grant_access(provider_world, user_id)
    provider_world.tokens["zoe"] = body["token"]
    for cluster, subject in (("a", user_id), ("named", f"echo:{name}")):
        provider_world.a.reset()
        target = f"/k8s/clusters/{cluster}/api".encode()
        assert provider_world.send(provider_world.head(user="zoe", target=target)).status == 200
        identity = [
            f"Impersonate-User: {subject}",
            f"Impersonate-Uid: {user_id}",
            f"Impersonate-Group: {group}",
            "Impersonate-Group: system:authenticated",
            "Impersonate-Group: sekisho:authenticated",
            f"Impersonate-Extra-Username: {name}",
            f"Impersonate-Extra-Principalid: {principal}",
        ]
        expected = provider_world.expected_head(identity=[line.encode() for line in identity])
        if cluster == "named":
            expected = expected.replace(b"Host: 127.0.0.1", b"Host: localhost")
        [recorded] = provider_world.a.recorded
        assert recorded.raw == expected


@pytest.mark.parametrize(
    "name", [" ", "x ", "\u00a0x", "x\u2003", "x\u0085", "x\u2028y", "x\ufeff"]
)
def test_name_with_unusual_white_space_is_forwarded_unchanged_or_rejected(
    provider_world: World, name: str
) -> None:
    """A shortened identity might have more rights than the complete one."""
    fields = {"principal_id": f"echo_user://{name}", "username": name if name.strip() else "x"}
    status, body = sign_in(provider_world, **fields)
    if status != 200:
        assert status in {401, 503}
        return
    user_id = body["user"]["id"]
    grant_access(provider_world, user_id)
    provider_world.tokens["zoe"] = body["token"]
    response = provider_world.send(provider_world.head(user="zoe"))
    if response.status == 403:
        assert provider_world.a.recorded == []
        return
    assert response.status == 200
    [recorded] = provider_world.a.recorded
    assert recorded.head.count(f"Extra-Username: {fields['username']}\r\n".encode()) == 1
    assert recorded.head.endswith(b"Impersonate-Extra-Requestid: security-test-0001\r\n\r\n")


@pytest.mark.parametrize("name", ["a\r\nImpersonate-User: root", "a:b", "a\u200bb"])
def test_local_user_name_that_no_header_can_carry_is_rejected(world: World, name: str) -> None:
    done = world.sekisho.run(
        "admin", "user", "create", name, "--password-stdin", stdin=PASSWORD + "\n", check=False
    )
    assert done.returncode != 0
