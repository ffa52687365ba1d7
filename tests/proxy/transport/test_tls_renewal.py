"""The listener's certificate while it is renewed, broken, mended, and looked at by two at once."""

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from cryptography import x509

from config.problems import ConfigError
from config.settings import Settings
from proxy.certificates import KeyPair, create_authority, issue_server
from proxy.server_tls import ServerTls, read_ca

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=2500)


def settings(folder: Path, external_url: str = "https://gate.example.com", **tls: Any) -> Settings:
    return Settings.model_validate(
        {"data_dir": str(folder), "server": {"external_url": external_url, "tls": tls}}
    )


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return create_authority("corp", lifetime=timedelta(days=9), now=NOW)


class OperatorsFiles:
    """A certificate and a key as cert-manager would put them there, and settings that name them."""

    def __init__(self, folder: Path, authority: KeyPair) -> None:
        self.certificate, self.key = folder / "x.crt", folder / "x.key"
        self._authority = authority
        self.ca_pem = authority.certificate_pem.decode()
        self.write()
        self.settings = settings(
            folder / "data", cert_file=str(self.certificate), key_file=str(self.key)
        )

    def write(self, *, certificate: bool = True, key: bool = True) -> None:
        """Issue a new one and write it, or a half of it."""
        pair = issue_server(
            self._authority,
            common_name="x",
            names=["localhost"],
            lifetime=timedelta(days=1),
            now=NOW,
        )
        if certificate:
            self.certificate.write_bytes(pair.certificate_pem)
        if key:
            self.key.write_bytes(pair.key_pem)
            self.key.chmod(0o600)


@pytest.fixture
def files(tmp_path: Path, authority: KeyPair) -> OperatorsFiles:
    return OperatorsFiles(tmp_path, authority)


def shake(context: ssl.SSLContext | None, client: ssl.SSLContext, name: str = "localhost") -> bytes:
    """A handshake in memory; the certificate that the client was shown."""
    assert context is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    shown = theirs.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def trusting(ca_pem: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca_pem)


def test_a_key_that_does_not_fit_leaves_the_old_one_serving(files: OperatorsFiles) -> None:
    """As between cert-manager's two writes: OpenSSL would drop the key that still served."""
    tls = ServerTls(files.settings)
    before = shake(tls.context, trusting(files.ca_pem))
    files.write(key=False)
    with pytest.raises(ConfigError, match="is not a certificate that fits its key"):
        tls.refresh()
    assert shake(tls.context, trusting(files.ca_pem)) == before
    files.write()
    assert tls.refresh()
    assert shake(tls.context, trusting(files.ca_pem)) != before


def test_files_that_are_gone_for_a_moment_leave_the_old_one_serving(files: OperatorsFiles) -> None:
    tls = ServerTls(files.settings)
    files.key.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        tls.refresh()
    shake(tls.context, trusting(files.ca_pem))


def test_a_link_that_is_turned_elsewhere_is_noticed(files: OperatorsFiles, tmp_path: Path) -> None:
    """As Kubernetes swaps the files of a secret."""
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
async def told() -> AsyncIterator["asyncio.Queue[str]"]:
    """The events that are logged from now on, as they come."""
    events: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def heard(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        loop.call_soon_threadsafe(events.put_nowait, str(event["event"]))
        raise structlog.DropEvent

    structlog.configure(processors=[heard])
    yield events
    structlog.reset_defaults()


class Visitor:
    """A client that stays connected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.certificate = writer.get_extra_info("peercert")["serialNumber"]

    @classmethod
    async def at(cls, port: int, ca_pem: str) -> "Visitor":
        client = trusting(ca_pem)
        return cls(*await asyncio.open_connection("localhost", port, ssl=client))

    async def ask(self) -> bytes:
        """What a request on the one connection is answered with."""
        self._writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self._reader.readuntil(b"\r\n\r\n")
        return await self._reader.readexactly(5)

    async def leave(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def serving(tls: ServerTls) -> AsyncIterator[int]:
    """A server on ``tls`` that looks for new certificates all the time; its port."""

    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    runner = web.ServerRunner(web.Server(hello), shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener, ssl_context=tls.context).start()
    task = asyncio.create_task(tls.refresh_forever(every=0.01))
    try:
        yield listener.getsockname()[1]
    finally:
        task.cancel()
        await runner.cleanup()


async def test_renewal_on_a_running_server_drops_nobody(
    files: OperatorsFiles, told: "asyncio.Queue[str]"
) -> None:
    async with serving(ServerTls(files.settings)) as port, asyncio.timeout(20):
        early = await Visitor.at(port, files.ca_pem)
        assert await early.ask() == b"hello"
        files.write()
        while await told.get() != "certificate loaded":
            pass
        late = await Visitor.at(port, files.ca_pem)
        assert late.certificate != early.certificate
        assert (await early.ask(), await late.ask()) == (b"hello", b"hello")
        await early.leave()
        await late.leave()


async def test_a_broken_file_does_not_end_the_looking(
    files: OperatorsFiles, told: "asyncio.Queue[str]"
) -> None:
    async with serving(ServerTls(files.settings)) as port, asyncio.timeout(20):
        files.certificate.write_text("broken")
        assert await told.get() == "certificate not loaded; the old one stays"
        visitor = await Visitor.at(port, files.ca_pem)
        assert await visitor.ask() == b"hello"
        await visitor.leave()
        files.write()
        while await told.get() != "certificate loaded":
            pass


def test_tls_1_1_is_refused_and_http_1_1_is_agreed_on(tmp_path: Path) -> None:
    tls = ServerTls(settings(tmp_path))
    assert tls.context is not None
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2
    client = trusting(tls.ca_pem)
    client.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = tls.context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(4):
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert theirs.selected_alpn_protocol() == "http/1.1"


def test_who_knows_either_ca_goes_on_after_the_ca_was_renewed(tmp_path: Path) -> None:
    old_ca = ServerTls(settings(tmp_path), now=lambda: LONG_AGO).ca_pem
    renewed = ServerTls(settings(tmp_path), now=lambda: NOW)
    assert old_ca is not None
    assert renewed.ca_pem is not None
    newest = x509.load_pem_x509_certificates(renewed.ca_pem.encode())[0]
    assert newest.not_valid_after_utc > NOW + timedelta(days=3600)
    for client in (old_ca, renewed.ca_pem):
        shake(renewed.context, trusting(client), "gate.example.com")


def test_an_address_may_be_written_in_any_way_and_needs_no_new_certificate(tmp_path: Path) -> None:
    by_address = settings(tmp_path, "https://[fd00:0:0::1]")
    ServerTls(by_address)
    made = (tmp_path / "tls" / "server.crt").read_bytes()
    tls = ServerTls(by_address)
    assert (tmp_path / "tls" / "server.crt").read_bytes() == made
    shake(tls.context, trusting(tls.ca_pem), "fd00::1")


def test_a_long_name_fits_a_certificate(tmp_path: Path) -> None:
    name = ".".join(["a" * 40, "b" * 40, "example", "com"])
    tls = ServerTls(settings(tmp_path, f"https://{name}"))
    shake(tls.context, trusting(tls.ca_pem), name)


def test_halves_of_two_server_certificates_are_replaced(tmp_path: Path) -> None:
    """As a crash between two files leaves them."""
    first = ServerTls(settings(tmp_path / "a"))
    ServerTls(settings(tmp_path / "b"))
    other = (tmp_path / "b" / "tls" / "server.key").read_bytes()
    (tmp_path / "a" / "tls" / "server.key").write_bytes(other)
    mended = ServerTls(settings(tmp_path / "a"))
    assert mended.ca_pem == first.ca_pem
    shake(mended.context, trusting(first.ca_pem))


def test_a_ca_key_without_certificate_is_a_beginning_and_the_reverse_a_loss(tmp_path: Path) -> None:
    ServerTls(settings(tmp_path))
    (tmp_path / "tls" / "ca.crt").unlink()
    ServerTls(settings(tmp_path))
    made = (tmp_path / "tls" / "ca.crt").read_bytes()
    (tmp_path / "tls" / "ca.key").unlink()
    with pytest.raises(ConfigError, match=r"ca\.key is missing; restore .* from a backup"):
        ServerTls(settings(tmp_path))
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == made


def test_processes_that_start_together_make_one_authority(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from config.settings import Settings\n"
        "from proxy.server_tls import ServerTls\n"
        "print(ServerTls(Settings(data_dir=sys.argv[1])).ca_pem)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(said) == 1


def test_a_key_with_a_password_is_told_and_nobody_is_asked_for_it(files: OperatorsFiles) -> None:
    encrypt = ("openssl", "pkey", "-aes256", "-passout", "pass:hunter2", "-in", str(files.key))
    encrypted = subprocess.run(encrypt, capture_output=True, check=True).stdout
    files.key.write_bytes(encrypted)
    with pytest.raises(ConfigError, match="a key with a password; take it off"):
        ServerTls(files.settings)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_an_operators_key_that_everybody_may_read_is_warned_about(
    files: OperatorsFiles, mode: int, warned: int
) -> None:
    files.key.chmod(mode)
    with structlog.testing.capture_logs() as lines:
        ServerTls(files.settings)
    assert [line["log_level"] for line in lines] == ["warning"] * warned
    assert files.key.stat().st_mode & 0o777 == mode


def test_a_ca_file_with_a_key_in_it_is_given_to_nobody(files: OperatorsFiles) -> None:
    ca_file = files.certificate
    assert read_ca(ca_file) == ca_file.read_text()
    ca_file.write_bytes(ca_file.read_bytes() + files.key.read_bytes())
    with pytest.raises(ConfigError, match="holds a private key"):
        read_ca(ca_file)
    ca_file.write_text("nonsense")
    with pytest.raises(ConfigError, match="not a PEM file of certificates"):
        read_ca(ca_file)
