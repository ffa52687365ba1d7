"""``sekisho login``, ``credential`` and ``logout`` with a real server and issuer."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.management.oauth.conftest import World
from tests.support.certified_issuer import BrowserUser
from tests.support.sekisho import PASSWORD, Sekisho

ROOT = Path(__file__).parents[3]


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


def ca_file(world: World) -> str:
    return str(world.server.folder / "data" / "tls" / "ca.crt")


@asynccontextmanager
async def running_login(
    world: World, laptop: Sekisho, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``sekisho login`` at corp in a process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "login", "--server", world.server.url),
        *("--provider", "corp", "--ca-file", ca_file(world), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **laptop.environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, pattern: str) -> str:
    """Return the first match on its standard error."""
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if found := re.search(pattern, line):
            return found[0]
    raise AssertionError("the command ended without saying so")


def kept(laptop: Sekisho) -> Path:
    (file,) = (laptop.folder / "home" / "sekisho" / "credentials").glob("*.json")
    return file


def credential(laptop: Sekisho, world: World, **environment: str) -> dict[str, Any]:
    laptop.environment |= environment
    done = laptop.run("credential", "--server", world.server.url)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def sign_in(laptop: Sekisho, world: World) -> None:
    laptop.run(
        *("login", "--server", world.server.url, "--provider", "local", "--username", "carol"),
        *("--password-stdin", "--ca-file", ca_file(world)),
        stdin=PASSWORD + "\n",
    )


def nearly_over(laptop: Sekisho, **changes: Any) -> None:
    """Change the cached credential so that it ends in five minutes."""
    ends = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    data = json.loads(kept(laptop).read_text()) | {"expires_at": ends} | changes
    kept(laptop).write_text(json.dumps(data))


async def test_browser_sign_in_returns_to_the_command_line(
    oidc: World, laptop: Sekisho, person: BrowserUser, session: aiohttp.ClientSession
) -> None:
    async with running_login(oidc, laptop, "-o", "json") as process:
        url = await said(process, r"https://\S+/start\?\S+")
        back = await person.follow(url, "http://127.0.0.1:")
        while urlsplit(back).port != _port_of(url):
            back = await person.follow(back, f"http://127.0.0.1:{_port_of(url)}/")
        async with session.get(back) as response:
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "Close this window" in await response.text()
        assert process.stdout is not None
        printed = json.loads(await process.stdout.read())
        assert await process.wait() == 0
    assert printed["user"].startswith("alice of the tests (u-")
    assert printed["provider"] == "corp"
    token = credential(laptop, oidc)["status"]["token"]
    assert oidc.server.request("GET", "/v1/me", token=token).json()["username"] == "alice"
    # The CA is cached, so later commands need no option for it.
    assert laptop.run("logout", "--server", oidc.server.url).stdout == "signed out\n"
    assert oidc.server.request("GET", "/v1/me", token=token).status == 401


def _port_of(url: str) -> int:
    found = re.search(r"redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A(\d+)", url)
    assert found is not None
    return int(found[1])


async def test_unexpected_requests_to_the_loopback_address_get_nothing(
    oidc: World, laptop: Sekisho, session: aiohttp.ClientSession
) -> None:
    async with running_login(oidc, laptop) as process:
        url = await said(process, r"https://\S+/start\?\S+")
        found = re.search(r"redirect_uri=([^&]+)&state=([^&]+)", url)
        assert found is not None
        loopback = f"http://127.0.0.1:{_port_of(url)}"
        path = found[1].rpartition("%2F")[2]
        for where, headers, status in (
            ("/favicon.ico", {}, 404),
            (f"/{path}?code=x&state={found[2]}", {"Host": "evil.example"}, 404),
            (f"/{path}?code=x&state=another", {}, 400),
            (f"/{path}?error=access_denied&state={found[2]}", {}, 403),
        ):
            async with session.get(loopback + where, headers=headers) as response:
                assert response.status == status
        assert await said(process, "not signed in: access_denied")
        assert await process.wait() == 1


async def test_device_code_signs_in_without_a_browser(
    oidc: World, laptop: Sekisho, person: BrowserUser
) -> None:
    async with running_login(oidc, laptop, "--no-browser") as process:
        uri = (await said(process, r"http://\S+/device")).strip()
        code = (await said(process, r"code: \S+")).removeprefix("code: ")
        await person.follow(f"{uri}?user_code={code}", "nowhere:")
        assert process.stdout is not None
        assert (await process.stdout.read()).startswith(b"signed in as alice")
    assert credential(laptop, oidc)["status"]["token"].startswith("session-")


def test_credential_is_renewed_before_it_ends_by_one_process(oidc: World, laptop: Sekisho) -> None:
    sign_in(laptop, oidc)
    before = credential(laptop, oidc)["status"]["token"]
    nearly_over(laptop)
    command = [sys.executable, "-m", "proxy", "credential", "--server", oidc.server.url]
    environment = {"PATH": os.environ["PATH"], **laptop.environment}
    many = [
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment)
        for _ in range(5)
    ]
    tokens = {json.loads(one.communicate(timeout=60)[0])["status"]["token"] for one in many}
    assert len(tokens) == 1
    assert before not in tokens
    assert oidc.server.request("GET", "/v1/me", token=tokens.pop()).status == 200
    data = json.loads(kept(laptop).read_text())
    assert datetime.fromisoformat(data["expires_at"]) > datetime.now(UTC) + timedelta(hours=10)


def test_credential_is_reused_while_the_server_is_unreachable(oidc: World, laptop: Sekisho) -> None:
    sign_in(laptop, oidc)
    nearly_over(laptop, ca_pem=None)  # its certificate can no longer be verified
    data = json.loads(kept(laptop).read_text())
    assert credential(laptop, oidc)["status"]["token"] == data["token"]


def test_credential_revoked_at_the_server_names_the_command_to_run(
    oidc: World, laptop: Sekisho
) -> None:
    sign_in(laptop, oidc)
    token = json.loads(kept(laptop).read_text())["token"]
    oidc.server.request("POST", "/v1/logout", token=token)
    nearly_over(laptop)
    # The server is not queried again; kubectl shows its own message.
    assert credential(laptop, oidc)["status"]["token"] == token
    assert json.loads(kept(laptop).read_text())["renewable_until"] is None
    nearly_over(laptop, expires_at=datetime.now(UTC).isoformat())
    done = laptop.run("credential", "--server", oidc.server.url, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "sekisho: error: your sign-in has expired: run "
        f"`sekisho login --server {oidc.server.url} --provider local`\n"
    )


@pytest.mark.parametrize(
    ("requested", "returned"),
    [
        ("client.authentication.k8s.io/v1beta1", "client.authentication.k8s.io/v1beta1"),
        ("client.authentication.k8s.io/v9", "client.authentication.k8s.io/v1"),
    ],
)
def test_credential_uses_the_api_version_of_kubectl(
    oidc: World, laptop: Sekisho, requested: str, returned: str
) -> None:
    sign_in(laptop, oidc)
    info = json.dumps({"apiVersion": requested, "kind": "ExecCredential", "spec": {}})
    assert credential(laptop, oidc, KUBERNETES_EXEC_INFO=info)["apiVersion"] == returned
    assert credential(laptop, oidc, KUBERNETES_EXEC_INFO="nonsense")["kind"] == "ExecCredential"


def test_login_with_several_providers_asks_for_a_choice(oidc: World, laptop: Sekisho) -> None:
    command = ("login", "--server", oidc.server.url, "--ca-file", ca_file(oidc))
    done = laptop.run(*command, stdin="", check=False)
    assert done.stderr == ("sekisho: error: choose a provider with --provider: corp, local\n")
    done = laptop.run(*command, "--provider", "other", check=False)
    assert done.stderr == "sekisho: error: provider other doesn't exist; known: corp, local\n"


def test_credential_usually_loads_no_http_client(oidc: World, laptop: Sekisho) -> None:
    sign_in(laptop, oidc)
    script = (
        "import sys\nfrom proxy.cli.main import main\n"
        f"try: main(['credential', '--server', {oidc.server.url!r}])\n"
        "except SystemExit: pass\n"
        "loaded = {'aiohttp', 'asyncio', 'keyring', 'sqlalchemy'} & set(sys.modules)\n"
        "print(sorted(loaded), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **laptop.environment},
        check=True,
    )
    assert done.stderr == "[]\n"


KEYRING = """
import json, os, pathlib
import keyring.backend

class Backend(keyring.backend.KeyringBackend):
    priority = 5
    file = pathlib.Path(os.environ["XDG_CONFIG_HOME"]) / "the-keyring"

    def _all(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def delete_password(self, service, username):
        found = self._all()
        del found[f"{service} {username}"]
        self.file.write_text(json.dumps(found))
"""


def test_token_with_a_keyring_is_stored_only_there(oidc: World, laptop: Sekisho) -> None:
    (laptop.folder / "a_keyring.py").write_text(KEYRING)
    laptop.environment |= {
        "SEKISHO_CREDENTIAL_STORE": "auto",
        "PYTHON_KEYRING_BACKEND": "a_keyring.Backend",
        "PYTHONPATH": str(laptop.folder),
    }
    sign_in(laptop, oidc)
    token = credential(laptop, oidc)["status"]["token"]
    assert token in (laptop.folder / "home" / "the-keyring").read_text()
    assert token not in kept(laptop).read_text()
    laptop.run("logout", "--server", oidc.server.url)
    assert token not in (laptop.folder / "home" / "the-keyring").read_text()


def test_token_without_a_keyring_is_stored_in_the_file_or_fails(
    oidc: World, laptop: Sekisho
) -> None:
    laptop.environment |= {
        "SEKISHO_CREDENTIAL_STORE": "auto",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    sign_in(laptop, oidc)
    assert json.loads(kept(laptop).read_text())["token"].startswith("session-")
    laptop.environment["SEKISHO_CREDENTIAL_STORE"] = "keyring"
    with pytest.raises(AssertionError, match="there is no keyring"):
        sign_in(laptop, oidc)
