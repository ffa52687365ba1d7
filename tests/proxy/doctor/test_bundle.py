"""The support bundle has what support needs, and no secret in any encoding."""

import asyncio
import base64
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from proxy.doctor.bundle import LINE_CHARACTERS, MAX_LOG_BYTES
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.database import open_store
from store.records import ClusterStatus, StoredProvider
from tests.store.direct_access import execute
from tests.store.order_records import a_management
from tests.store.records import a_cluster
from tests.support.scraped_sekisho import TOKEN
from tests.support.sekisho import Sekisho, free_port, make_sekisho

SECRETS = {
    "bind": "bind-passw0rd/+ä",
    "client": "client-s3cret&=value",
    "stored": "stored-s3cret<value>",
    "impersonator": "imperson4tor-token-of-cluster",
    "controller": "c0ntroller-token-of-cluster",
    "provisioner": "provisioner-t0ken-of-cluster",
    "metrics": TOKEN,
}
DATABASE = "d4tabase/pass:word"
CONFIG = f"""\
providers:
- {{type: local, name: local}}
- type: openldap
  name: corp
  servers: ["ldap://127.0.0.1:1"]
  allow_plain: true
  base: dc=example,dc=com
  bind_dn: cn=sekisho,dc=example,dc=com
  bind_password: {json.dumps(SECRETS["bind"])}
- type: github
  name: github
  client_id: Iv1.0123456789
  client_secret: {json.dumps(SECRETS["client"])}
  allow_anyone: true
"""


def encodings(secret: str) -> Iterator[bytes]:
    """Yield a secret, and the inner parts of its encodings, which no neighbour changes."""
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    yield quote(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield raw.hex().encode()
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw)[4 if shift else 0 : -4]


def texts(secret: str) -> Iterator[str]:
    """Yield texts that contain a secret: as it is, and encoded with what stands beside it."""
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield json.dumps(secret)
    yield secret.encode().hex()
    for shift in range(3):
        raw = b"x" * shift + secret.encode() + b"tail"
        yield base64.b64encode(raw).decode()
        yield base64.urlsafe_b64encode(raw).decode()
    yield "value=" + base64.b64encode(f"user:{secret}".encode()).decode()


def leaks(content: bytes) -> list[str]:
    return [
        f"{name}: {form!r}"
        for name, secret in [*SECRETS.items(), ("database", DATABASE)]
        for form in encodings(secret)
        if form in content
    ]


def a_log() -> str:
    """Return a log in which every secret stands in every encoding, in the middle of lines."""
    lines = [f"line {number}" for number in range(3000)]
    for secret in SECRETS.values():
        lines.extend(f"before {text} after" for text in texts(secret))
    return "\n".join(lines)


async def fill(server: Sekisho) -> None:
    """Store a cluster and a provider with secrets, and a status that quotes one."""
    settings = load_config(str(server.config), {}).settings
    store = await open_store(settings.store_url, open_keyring(settings))
    cluster = a_cluster(
        servers=("https://127.0.0.1:1",),
        impersonator_token=SECRETS["impersonator"],
        controller_token=SECRETS["controller"],
    )
    await store.clusters.create(cluster)
    made = a_management(cluster_id=cluster.id, token=SECRETS["provisioner"])
    await store.management_clusters.put(made)
    quoted = f"the cluster rejects {SECRETS['controller']}"
    condition = {"type": "Reachable", "status": "False", "reason": "NoResponse", "message": quoted}
    status = ClusterStatus(cluster.id, {"conditions": [condition]}, datetime.now(UTC))
    await store.fleet.put_status(status)
    secret = {"client_id": "x", "client_secret": SECRETS["stored"], "allow_anyone": True}
    await store.providers.create(
        StoredProvider("hub", "github", True, secret, "unrestricted", (), datetime.now(UTC))
    )
    await store.close()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a bundle from an installation with secrets everywhere."""
    folder = tmp_path_factory.mktemp("bundle")
    server = make_sekisho(folder, (free_port(), free_port()), CONFIG)
    server.environment = {"SEKISHO_METRICS__TOKEN": TOKEN}
    server.run("admin", "user", "create", "alice", "--password-stdin", stdin="some passw0rd\n")
    asyncio.run(fill(server))
    (folder / "sekisho.log").write_text(a_log())
    file = folder / "bundle.tar.gz"
    server.run("admin", "support-bundle", str(file), "--log", str(folder / "sekisho.log"))
    assert file.stat().st_mode & 0o777 == 0o600
    return unpacked(file)


def unpacked(file: Path) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        return {
            Path(member.name).name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


def test_bundle_has_versions_configuration_findings_and_clusters(bundle: dict[str, bytes]) -> None:
    assert set(bundle) == {
        "versions.json",
        "doctor.json",
        "configuration.json",
        "providers.json",
        "clusters.json",
        "log-0.txt",
    }
    assert json.loads(bundle["versions.json"])["packages"]["aiohttp"]
    assert json.loads(bundle["configuration.json"])["metrics"]["token"] != TOKEN
    providers = {one["name"]: one for one in json.loads(bundle["providers.json"])}
    assert providers["corp"]["settings"]["bind_dn"] == "cn=sekisho,dc=example,dc=com"
    assert providers["hub"]["origin"] == "store"
    checks = {one["subject"]: one["status"] for one in json.loads(bundle["doctor.json"])}
    assert checks["provider corp"] == "error"
    assert json.loads(bundle["clusters.json"])[0]["name"] == "prod"


def test_bundle_has_no_secret_in_any_encoding(bundle: dict[str, bytes]) -> None:
    for name, content in bundle.items():
        assert leaks(content) == [], name


def test_bundle_has_the_last_lines_of_the_log(bundle: dict[str, bytes]) -> None:
    lines = bundle["log-0.txt"].decode().splitlines()
    assert len(lines) == 2000
    assert "line 2999" in lines
    assert "line 0" not in lines


def test_secret_at_the_end_of_what_is_read_of_a_log_is_not_cut(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()), CONFIG)
    log, file = tmp_path / "log", tmp_path / "bundle.tar.gz"
    secret = SECRETS["client"]
    cut = "x" * (LINE_CHARACTERS - 5) + secret
    # The first bytes that are read are the second half of the secret.
    rest = f"{secret[-6:]}\n{cut}\n"
    filling = "y\n" * ((MAX_LOG_BYTES - len(rest)) // 2)
    log.write_text(f"{secret[:-6]}{rest}{filling}".rjust(MAX_LOG_BYTES + len(secret) - 6, "z"))
    log.write_text(log.read_text() + f"{cut}\n")
    server.run("admin", "support-bundle", str(file), "--log", str(log))
    lines = unpacked(file)["log-0.txt"].decode().splitlines()
    assert lines[-1] == "x" * (LINE_CHARACTERS - 5) + "[reda"
    assert leaks(unpacked(file)["log-0.txt"]) == []


def test_damaged_row_is_a_finding(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()), CONFIG)
    asyncio.run(fill(server))
    url = load_config(str(server.config), {}).settings.store_url
    asyncio.run(execute(url, "UPDATE clusters SET servers = 'null'"))
    file = tmp_path / "bundle.tar.gz"
    server.run("admin", "support-bundle", str(file))
    found = json.loads(unpacked(file)["doctor.json"])
    [damaged] = [one for one in found if one["subject"] == "records"]
    assert (damaged["status"], damaged["message"]) == ("error", "cannot be read: TypeError")


def test_bundle_replaces_no_file(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    before = server.config.read_text()
    done = server.run("admin", "support-bundle", str(server.config), check=False)
    assert done.returncode == 1
    assert "exists: name another file" in done.stderr
    assert server.config.read_text() == before


def test_log_is_refused_if_its_secrets_are_unknown(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()), f"{CONFIG}metricz: {{}}\n")
    log, file = tmp_path / "log", tmp_path / "bundle.tar.gz"
    log.write_text(a_log())
    done = server.run("admin", "support-bundle", str(file), "--log", str(log), check=False)
    assert done.returncode == 1
    assert "the secrets to remove from logs are unknown" in done.stderr
    assert not file.exists()
    server.run("admin", "support-bundle", str(file))
    assert "metricz" in unpacked(file)["doctor.json"].decode()


def test_log_without_an_end_is_refused(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    file = tmp_path / "bundle.tar.gz"
    done = server.run("admin", "support-bundle", str(file), "--log", "/dev/zero", check=False)
    assert done.returncode == 1
    assert "is no regular file" in done.stderr
    assert not file.exists()


def test_bundle_has_no_password_of_the_database(tmp_path: Path) -> None:
    password = quote(DATABASE, safe="")
    url = f'store: {{url: "postgresql://sekisho:{password}@127.0.0.1:1/x"}}\n'
    server = make_sekisho(tmp_path, (free_port(), free_port()), url)
    log = tmp_path / "log"
    log.write_text("\n".join(texts(DATABASE)))
    file = tmp_path / "bundle.tar.gz"
    server.run("admin", "support-bundle", str(file), "--log", str(log))
    for name, content in unpacked(file).items():
        assert leaks(content) == [], name
    configuration = json.loads(unpacked(file)["configuration.json"])
    assert configuration["store"]["url"] == "postgresql://sekisho:[redacted]@127.0.0.1:1/x"
