"""What is around an agent in tests: an API server, and replicas with TLS or as processes."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from proxy.workers.child_process import die_with_parent
from tests.agent.run.agent_process import ROOT
from tests.agent.run.gates import Gate
from tests.support.directory_pki import make_pki


@asynccontextmanager
async def echo_server(
    asked: list[bytes] | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Run an API server that returns what it gets; yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if asked is not None:
                asked.append(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echoes(gate: Gate, text: bytes = b"hello") -> bool:
    reader, writer = await gate.connect()
    writer.write(text)
    got = await reader.readexactly(len(text))
    writer.close()
    return got == text


def server_tls(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    pki = make_pki(folder, *names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate, pki.key)
    return context, pki.ca.read_text()


@contextmanager
def gate_process(port: int, replica: str = "a") -> Iterator["subprocess.Popen[bytes]"]:
    """Run a replica as a process."""
    command = [
        *die_with_parent(),
        sys.executable,
        "-m",
        "tests.agent.run.gates",
        str(port),
        replica,
    ]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
