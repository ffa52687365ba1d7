"""The listener's certificate: renewals, and broken and repaired files."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from config.problems import ConfigError
from proxy.transport.server_tls import ServerTls, read_ca
from tests.proxy.transport.tls_listener import ConfiguredFiles, handshake, settings, trusting
from tests.support.tasks import beside


def test_key_without_its_certificate_keeps_the_previous_pair(files: ConfiguredFiles) -> None:
    """This happens between cert-manager's two writes. OpenSSL would drop the key in use."""
    tls = ServerTls(files.settings)
    before = handshake(tls.context, trusting(files.ca_pem))
    files.write(key=False)
    with pytest.raises(ConfigError, match="is not a certificate that matches its key"):
        tls.refresh()
    assert handshake(tls.context, trusting(files.ca_pem)) == before
    files.write()
    assert tls.refresh()
    assert handshake(tls.context, trusting(files.ca_pem)) != before


def test_missing_files_keep_the_previous_pair(files: ConfiguredFiles) -> None:
    tls = ServerTls(files.settings)
    files.key.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        tls.refresh()
    handshake(tls.context, trusting(files.ca_pem))


def test_changed_symbolic_link_reloads_the_pair(files: ConfiguredFiles, tmp_path: Path) -> None:
    """Kubernetes replaces the files of a secret so."""
    (tmp_path / "one").mkdir()
    for file in (files.certificate, files.key):
        file.rename(tmp_path / "one" / file.name)
        file.symlink_to(tmp_path / "one" / file.name)
    tls = ServerTls(files.settings)
    assert not tls.refresh()
    (tmp_path / "two").mkdir()
    for file in (files.certificate, files.key):
        file.unlink()
        file.symlink_to(tmp_path / "two" / file.name)
    files.write()
    assert tls.refresh()


@pytest.fixture
async def log_events() -> AsyncIterator["asyncio.Queue[str]"]:
    """Return a queue of the events that are logged from now on."""
    events: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def record(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        loop.call_soon_threadsafe(events.put_nowait, str(event["event"]))
        raise structlog.DropEvent

    structlog.configure(processors=[record])
    yield events
    structlog.reset_defaults()


class Client:
    """A client that stays connected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.certificate = writer.get_extra_info("peercert")["serialNumber"]

    @classmethod
    async def connect(cls, port: int, ca_pem: str) -> "Client":
        client = trusting(ca_pem)
        return cls(*await asyncio.open_connection("localhost", port, ssl=client))

    async def request(self) -> bytes:
        """Send a request on the connection and return the response's body."""
        self._writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self._reader.readuntil(b"\r\n\r\n")
        return await self._reader.readexactly(5)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def serving(tls: ServerTls) -> AsyncIterator[int]:
    """Run a server on ``tls`` that refreshes its certificate every 10 ms; yield its port."""

    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    runner = web.ServerRunner(web.Server(hello), shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        async with beside(tls.refresh_forever(every=0.01)):
            await web.SockSite(runner, listener, ssl_context=tls.context).start()
            yield listener.getsockname()[1]
    finally:
        await runner.cleanup()


async def test_renewal_keeps_open_connections(
    files: ConfiguredFiles, log_events: "asyncio.Queue[str]"
) -> None:
    async with serving(ServerTls(files.settings)) as port, asyncio.timeout(60):
        early = await Client.connect(port, files.ca_pem)
        assert await early.request() == b"hello"
        files.write()
        while await log_events.get() != "certificate loaded":
            pass
        late = await Client.connect(port, files.ca_pem)
        assert late.certificate != early.certificate
        assert (await early.request(), await late.request()) == (b"hello", b"hello")
        await early.close()
        await late.close()


async def test_broken_file_does_not_end_the_refresh(
    files: ConfiguredFiles, log_events: "asyncio.Queue[str]"
) -> None:
    async with serving(ServerTls(files.settings)) as port, asyncio.timeout(60):
        files.certificate.write_text("broken")
        assert await log_events.get() == "certificate not loaded; the previous one stays"
        client = await Client.connect(port, files.ca_pem)
        assert await client.request() == b"hello"
        await client.close()
        files.write()
        while await log_events.get() != "certificate loaded":
            pass


def test_tls_1_1_is_rejected_and_http_1_1_is_negotiated(tmp_path: Path) -> None:
    tls = ServerTls(settings(tmp_path))
    assert tls.context is not None
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2
    client = trusting(tls.ca_pem)
    client.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = tls.context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(4):
        for side in (client_side, server_side):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert client_side.selected_alpn_protocol() == "http/1.1"


def test_encrypted_key_is_reported_without_a_prompt(files: ConfiguredFiles) -> None:
    encrypt = ("openssl", "pkey", "-aes256", "-passout", "pass:hunter2", "-in", str(files.key))
    encrypted = subprocess.run(encrypt, capture_output=True, check=True).stdout
    files.key.write_bytes(encrypted)
    with pytest.raises(ConfigError, match="a key with a password; remove it"):
        ServerTls(files.settings)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_configured_key_readable_by_all_users_is_logged(
    files: ConfiguredFiles, mode: int, warned: int
) -> None:
    files.key.chmod(mode)
    with structlog.testing.capture_logs() as lines:
        ServerTls(files.settings)
    assert [line["log_level"] for line in lines] == ["warning"] * warned
    assert files.key.stat().st_mode & 0o777 == mode


def test_ca_file_with_a_private_key_is_rejected(files: ConfiguredFiles) -> None:
    ca_file = files.certificate
    assert read_ca(ca_file) == ca_file.read_text()
    ca_file.write_bytes(ca_file.read_bytes() + files.key.read_bytes())
    with pytest.raises(ConfigError, match="holds a private key"):
        read_ca(ca_file)
    ca_file.write_text("nonsense")
    with pytest.raises(ConfigError, match="not a PEM file of certificates"):
        read_ca(ca_file)
