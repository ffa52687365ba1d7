"""A real Sekisho with a certified issuer for users, and another for pipelines' tokens."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.support.certified_issuer import CLIENT, SECRET, BrowserUser, certified_issuer
from tests.support.isolation import free_port
from tests.support.loop_thread import LoopThread
from tests.support.scripted_issuer import ScriptedIssuer, scripted_issuer
from tests.support.sekisho import Sekisho, make_sekisho, running

AUDIENCE = "https://sekisho.example.test"


@dataclass
class World:
    """The running server and issuers."""

    server: Sekisho
    ci: ScriptedIssuer
    issuer_url: str

    def tls(self) -> ssl.SSLContext:
        """A TLS context that trusts the server."""
        return ssl.create_default_context(
            cafile=str(self.server.folder / "data" / "tls" / "ca.crt")
        )


@contextmanager
def pipelines_issuer() -> Iterator[ScriptedIssuer]:
    """An issuer in a thread of its own."""
    with LoopThread() as loop:
        running = scripted_issuer(free_port())
        yield loop.call(running.__aenter__())
        loop.call(running.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with the providers local, corp (users) and ci (pipelines)."""
    folder = tmp_path_factory.mktemp("oidc")
    server = make_sekisho(folder, (free_port(), free_port()))
    port = free_port()
    login = f"{server.url}/v1/login/corp"
    with (
        pipelines_issuer() as ci,
        certified_issuer(port, f"{login}/callback", f"{login}/backchannel-logout") as issuer,
    ):
        providers = [
            {"type": "local", "name": "local"},
            {
                "type": "oidc",
                "name": "corp",
                "issuer": issuer.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "scopes": ["openid", "profile", "email", "groups", "offline_access"],
                "authorize_parameters": {"prompt": "consent"},
                "groups_claim": "groups",
            },
            {
                "type": "oidc",
                "name": "ci",
                "preset": "github-actions",
                "issuer": ci.url,
                "bearer": {
                    "audiences": [AUDIENCE],
                    "rules": [
                        {
                            "name": "main",
                            "match": {"repository": "acme/*", "ref": "refs/heads/main"},
                        },
                        {
                            "name": "nowhere",
                            "match": {"repository": "acme/nowhere"},
                            "clusters": ["no-such-cluster"],
                        },
                        {
                            "name": "pull-requests",
                            "match": {"repository": "acme/*"},
                            "read_only": True,
                            "lifetime": "5m",
                        },
                    ],
                },
            },
            {
                "type": "oidc",
                "name": "direct",
                "issuer": ci.url,
                "bearer": {"audiences": ["direct"], "direct": True},
                "groups_claim": "groups",
            },
        ]
        with server.config.open("a") as config:
            yaml.safe_dump({"providers": providers}, config)
        server.create_user("carol", "--admin")
        with running(server):
            yield World(server, ci, issuer.url)


@pytest.fixture
async def session(oidc: World) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser's cookies, without automatic redirects."""
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=oidc.tls())
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
        yield session


@pytest.fixture
def person(session: aiohttp.ClientSession) -> BrowserUser:
    """alice in that browser."""
    return BrowserUser(session, "alice")


def folder_of(world: World) -> Path:
    """The path of the server's log."""
    return world.server.folder


@pytest.fixture
def laptop(oidc: World, tmp_path: Path) -> Sekisho:
    """A user's machine: the command without a server configuration or a window."""
    made = Sekisho(tmp_path, oidc.server.port, oidc.server.metrics_port)
    made.environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "SEKISHO_CONFIG": str(tmp_path / "there-is-none.yaml"),
        "SEKISHO_CREDENTIAL_STORE": "file",
    }
    return made
