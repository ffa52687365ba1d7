"""What providers and people call themselves: it arrives as it is, in its place, or not at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.parts.recording_upstream import RecordingUpstream
from tests.parts.sekisho import PASSWORD, Sekisho, free_port, make_sekisho
from tests.security.world import World

ODD_NAMES = [
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
    """A provider that hands out whatever it is told to: the password is the identity, as JSON."""

    import json
    from dataclasses import dataclass

    from pydantic import BaseModel, ConfigDict

    from providers.base import Attempt, ExternalGroup, ExternalIdentity


    class LoudSettings(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)


    class LoudProvider:
        def __init__(self, name):
            self.name = name

        async def start(self):
            pass

        async def close(self):
            pass

        async def check(self):
            pass

        async def authenticate(self, attempt: Attempt):
            said = json.loads(attempt.password)
            groups = tuple(ExternalGroup(*one) for one in said.pop("groups", ()))
            return ExternalIdentity(display_name="x", groups=groups, **said)


    @dataclass(frozen=True)
    class LoudType:
        settings_model: type[BaseModel] = LoudSettings

        def schemes(self, name, settings):
            return ("loud_user", "loud_group")

        def create(self, name, settings, context):
            return LoudProvider(name)


    PROVIDER = LoudType()
    '''
)


@pytest.fixture(scope="module")
def _loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sekisho, RecordingUpstream]]:
    folder = tmp_path_factory.mktemp("loud")
    (folder / "upstream").mkdir()
    config = "providers:\n- {type: local, name: local}\n- {type: loud, name: loud}\n"
    sekisho = make_sekisho(folder, (free_port(), free_port()), config)
    # Only what people send is looked at.
    sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
    sekisho.environment["PYTHONPATH"] = str(_installed(folder / "site"))
    with RecordingUpstream(folder / "upstream", "service-account-token") as upstream:
        for name, server in (
            ("a", upstream.url),
            ("named", upstream.url.replace("127.0.0.1", "localhost")),
        ):
            options = () if name == "a" else ("--user-name", "username")
            sekisho.run(
                *("cluster", "add", name, "--server", server, "--ca-file", str(upstream.ca_file)),
                *("--token-file", str(upstream.token_file), *options),
            )
        sekisho.start()
        sekisho.create_user("root", "--admin")
        yield sekisho, upstream
        sekisho.stop()


def _installed(site: Path) -> Path:
    """The provider, as pip would have installed it."""
    info = site / "sekisho_loud-1.dist-info"
    info.mkdir(parents=True)
    (site / "sekisho_loud.py").write_text(PROVIDER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sekisho-loud\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sekisho.providers]\nloud = sekisho_loud:PROVIDER\n")
    return site


@pytest.fixture
def loud(_loud: tuple[Sekisho, RecordingUpstream]) -> World:
    """A gate with a provider that says anything, in front of one upstream that has two names."""
    sekisho, upstream = _loud
    upstream.clear()
    return World(sekisho, upstream, upstream)


def sign_in(loud: World, **said: object) -> tuple[int, dict[str, Any]]:
    body = {"username": "x", "password": json.dumps({"username": "zoe", **said})}
    answer = loud.sekisho.ask("POST", "/v1/login/loud", body=body)
    return answer.status, answer.json()


def let_in(loud: World, user_id: str) -> None:
    root = {"username": "root", "password": PASSWORD}
    token = loud.sekisho.ask("POST", "/v1/login/local", body=root).json()["token"]
    for cluster in ("a", "named"):
        answer = loud.sekisho.ask(
            "PUT",
            f"/v1/clusters/{cluster}/members/{user_id}",
            token=token,
            body={"role": "member"},
        )
        assert answer.status == 200, answer.body


RESERVED = ["system:masters", "SYSTEM:Masters", " system:masters", "sekisho:administrators"]
BREAKING = [
    "x\r\nImpersonate-Group: system:masters",
    "x\nImpersonate-Group: system:masters",
    "x\rImpersonate-Group: system:masters",
    "x\x00",
    "x\x1f",
    "",
    " ",
]


@pytest.mark.parametrize("name", [*RESERVED, *BREAKING])
def test_a_provider_hands_out_no_reserved_name_and_none_that_breaks_a_line(
    loud: World, name: str
) -> None:
    """system:masters from a provider: nobody is signed in, whichever field it is in."""
    good = "loud_user://1"
    for said in (
        {"principal_id": name},
        {"principal_id": f"loud_user://{name}" if name in BREAKING[:-1] else name},
        {"principal_id": good, "username": name},
        {"principal_id": good, "groups": [[name, "Group"]]},
        {"principal_id": good, "groups": [["loud_group://1", "Fine"], [name, "Group"]]},
    ):
        status, body = sign_in(loud, **said)
        assert status in {401, 503}, said
        assert "token" not in body
    loud.a.clear()
    assert loud.a.seen == []


@pytest.mark.parametrize("group", ["github_team://1", "local://u-aaaaaaaaaa", "group", "://x"])
def test_a_provider_speaks_of_its_own_principals_only(loud: World, group: str) -> None:
    said = {"principal_id": "loud_user://1", "groups": [[group, "Group"]]}
    assert sign_in(loud, **said)[0] == 503
    assert sign_in(loud, principal_id=group)[0] == 503


@pytest.mark.parametrize("number", range(len(ODD_NAMES)))
def test_an_odd_name_arrives_as_it_is_in_its_own_line(loud: World, number: int) -> None:
    name = ODD_NAMES[number]
    principal = f"loud_user://{number}/{name}"
    group = f"loud_group://{name}"
    status, body = sign_in(
        loud, principal_id=principal, username=name, groups=[[group, "system or not"]]
    )
    assert status == 200
    user_id = body["user"]["id"]
    let_in(loud, user_id)
    loud.tokens["zoe"] = body["token"]
    for cluster, subject in (("a", user_id), ("named", f"loud:{name}")):
        loud.a.clear()
        target = f"/k8s/clusters/{cluster}/api".encode()
        assert loud.ask(loud.head(user="zoe", target=target)).status == 200
        identity = [
            f"Impersonate-User: {subject}",
            f"Impersonate-Uid: {user_id}",
            f"Impersonate-Group: {group}",
            "Impersonate-Group: system:authenticated",
            "Impersonate-Group: sekisho:authenticated",
            f"Impersonate-Extra-Username: {name}",
            f"Impersonate-Extra-Principalid: {principal}",
        ]
        expected = loud.expected(identity=[line.encode() for line in identity])
        if cluster == "named":
            expected = expected.replace(b"Host: 127.0.0.1", b"Host: localhost")
        [seen] = loud.a.seen
        assert seen.bytes == expected


@pytest.mark.parametrize(
    "name", [" ", "x ", "\u00a0x", "x\u2003", "x\u0085", "x\u2028y", "x\ufeff"]
)
def test_a_name_with_strange_white_space_arrives_whole_or_not_at_all(
    loud: World, name: str
) -> None:
    """Half an identity might be more powerful than the whole one."""
    said = {"principal_id": f"loud_user://{name}", "username": name if name.strip() else "x"}
    status, body = sign_in(loud, **said)
    if status != 200:
        assert status in {401, 503}
        return
    user_id = body["user"]["id"]
    let_in(loud, user_id)
    loud.tokens["zoe"] = body["token"]
    reply = loud.ask(loud.head(user="zoe"))
    if reply.status == 403:
        assert loud.a.seen == []
        return
    assert reply.status == 200
    [seen] = loud.a.seen
    assert seen.head.count(f"Extra-Username: {said['username']}\r\n".encode()) == 1
    assert seen.head.endswith(b"Impersonate-Extra-Requestid: security-test-0001\r\n\r\n")


@pytest.mark.parametrize("name", ["a\r\nImpersonate-User: root", "a:b", "a\u200bb"])
def test_a_local_user_is_not_called_what_no_header_can_say(world: World, name: str) -> None:
    done = world.sekisho.run(
        "user", "create", name, "--password-stdin", stdin=PASSWORD + "\n", check=False
    )
    assert done.returncode != 0
