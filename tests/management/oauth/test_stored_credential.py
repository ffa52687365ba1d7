"""The credential that ``sekisho login`` stores, with a real server: use, renewal, and keyrings."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.management.oauth.command_line import ROOT, credential, kept, nearly_over, sign_in
from tests.management.oauth.conftest import World
from tests.support.sekisho import Sekisho


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
