"""The metrics listener with a token, with TLS, and without either."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from config.problems import ConfigError
from config.settings import Settings
from proxy.monitoring.app import build_metrics_app, create_metrics_registry
from proxy.monitoring.health import Readiness
from proxy.server.metrics_listener import serve_metrics
from proxy.startup.configuration import load_config
from proxy.transport.certificates import create_authority, issue_server

TOKEN = "a-token-of-metrics-0123456789"


@asynccontextmanager
async def serving(folder: Path, port: int, **metrics: Any) -> AsyncIterator[str]:
    """Serve metrics as configured, and return the URL without its scheme."""
    listen = {"listen": f"127.0.0.1:{port}"}
    settings = Settings.model_validate({"data_dir": str(folder), "metrics": listen | metrics})

    async def ping() -> None:
        pass

    app = build_metrics_app(create_metrics_registry(), Readiness({"store": ping}))
    async with AsyncExitStack() as stack:
        await serve_metrics(stack, app, settings)
        yield f"127.0.0.1:{port}"


async def status_of(url: str, token: str | None = None, ca_pem: str | None = None) -> int:
    context = ssl.create_default_context(cadata=ca_pem) if ca_pem else True
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=context) as response,
    ):
        return response.status


async def test_scrape_without_the_token_is_refused(tmp_path: Path, unused_port: int) -> None:
    async with serving(tmp_path, unused_port, token=TOKEN) as address:
        url = f"http://{address}/metrics"
        assert await status_of(url, TOKEN) == 200
        for wrong in (None, "another-token-0123456789", TOKEN[:-1], f"{TOKEN}a", TOKEN.upper()):
            assert await status_of(url, wrong) == 401


async def test_probes_need_no_token_and_lists_of_checks_do(
    tmp_path: Path, unused_port: int
) -> None:
    async with serving(tmp_path, unused_port, token=TOKEN) as address:
        assert await status_of(f"http://{address}/healthz") == 200
        assert await status_of(f"http://{address}/readyz") == 200
        assert await status_of(f"http://{address}/readyz?verbose") == 401
        assert await status_of(f"http://{address}/readyz?verbose", TOKEN) == 200
        assert await status_of(f"http://{address}/") == 401


async def test_scrape_with_the_servers_certificate_is_verified(
    tmp_path: Path, unused_port: int
) -> None:
    async with serving(tmp_path, unused_port, tls={"from_server": True}) as address:
        ca_pem = (tmp_path / "tls" / "ca.crt").read_text()
        assert await status_of(f"https://{address}/metrics", ca_pem=ca_pem) == 200
        with pytest.raises(aiohttp.ClientError):
            await status_of(f"http://{address}/metrics")


async def test_scrape_with_a_certificate_of_its_own_is_verified(
    tmp_path: Path, unused_port: int
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("Test", lifetime=day, now=now)
    pair = issue_server(
        authority, common_name="metrics", names=["127.0.0.1"], lifetime=day, now=now
    )
    cert_file, key_file = tmp_path / "metrics.crt", tmp_path / "metrics.key"
    cert_file.write_bytes(pair.certificate_pem)
    key_file.write_bytes(pair.key_pem)
    tls = {"cert_file": str(cert_file), "key_file": str(key_file)}
    async with serving(tmp_path, unused_port, tls=tls) as address:
        ca_pem = authority.certificate_pem.decode()
        assert await status_of(f"https://{address}/metrics", ca_pem=ca_pem) == 200


@pytest.mark.parametrize(
    ("metrics", "warned"),
    [
        ({"listen": ":0"}, True),
        ({"listen": "0.0.0.0:0"}, True),
        ({"listen": ":0", "token": TOKEN}, False),
        ({"listen": "127.0.0.1:0"}, False),
        ({"listen": "[::1]:0"}, False),
        ({"listen": "localhost:0"}, False),
    ],
)
async def test_listener_beyond_loopback_without_token_is_warned_of(
    tmp_path: Path, metrics: dict[str, str], warned: bool
) -> None:
    settings = Settings.model_validate({"data_dir": str(tmp_path), "metrics": metrics})
    with capture_logs() as lines:
        async with AsyncExitStack() as stack:
            await serve_metrics(stack, web.Application(), settings)
    assert any("every client" in line["event"] for line in lines) is warned


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("{token: short}", "must have 16 to 512"),
        ("{tls: {from_server: true, cert_file: a.crt, key_file: a.key}}", "contradict each other"),
        ("{tls: {cert_file: a.crt}}", "go together"),
        ("{tls: {cert_file: a.crt, key_file: a.key}}", "no such file"),
    ],
)
def test_configuration_of_the_listener_is_checked(
    tmp_path: Path, metrics: str, message: str
) -> None:
    file = tmp_path / "sekisho.yaml"
    file.write_text(f"metrics: {metrics}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(str(file), {})


def test_servers_certificate_without_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sekisho.yaml"
    file.write_text("server: {tls: {plain_http: true}}\nmetrics: {tls: {from_server: true}}\n")
    with pytest.raises(ConfigError, match=r"give tls\.cert_file"):
        load_config(str(file), {})


def test_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = tmp_path / "sekisho.yaml"
    file.write_text("metrics: {token_file: token}\n")
    token = load_config(str(file), {}).settings.metrics.token
    assert token is not None
    assert token.get_secret_value() == TOKEN
    assert TOKEN not in repr(load_config(str(file), {}).settings)
