"""``sekisho agent`` as a process."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from config.bounded_json import load_json
from proxy.workers.child_process import die_with_parent
from tests.support.isolation import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
TOKEN = "first-secret-token"


@dataclass
class AgentProcess:
    """A running agent, and its files."""

    folder: Path
    health_port: int
    process: subprocess.Popen[bytes]

    @property
    def token_file(self) -> Path:
        return self.folder / "token"

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def events(self, name: str) -> list[Mapping[str, object]]:
        """Return the log lines with this event."""
        written = self.log.rpartition("\n")[0]  # The agent may be writing another one.
        lines = [load_json(line) for line in written.splitlines()]
        return [line for line in lines if line["event"] == name]

    async def health(self, path: str) -> int:
        """Return the status of a probe; 0 without a response."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.health_port)
        except OSError:
            return 0
        writer.write(f"GET {path} HTTP/1.1\r\nHost: pod\r\n\r\n".encode())
        status = (await reader.read()).split()[1:2]
        writer.close()
        return int(status[0]) if status else 0

    async def ready(self) -> bool:
        return await self.health("/readyz") == 200

    async def unready(self) -> bool:
        return await self.health("/readyz") == 503

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Return the exit code, when it has ended."""
        await eventually(lambda: self.process.poll() is not None)
        return self.process.wait()

    @property
    def resident_kib(self) -> int:
        """Return the memory of the process in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the process has no memory")


@asynccontextmanager
async def running_agent(
    folder: Path,
    server: str,
    *options: str,
    api_server: int = 1,
    environ: Mapping[str, str] | None = None,
    ca_pem: str | None = None,
) -> AsyncIterator[AgentProcess]:
    """Run an agent that relays to a port of this machine. Logs are at their most verbose."""
    port = free_port()
    (folder / "token").write_text(TOKEN + "\n")
    if ca_pem is not None:
        (folder / "ca.crt").write_text(ca_pem)
        options = (*options, "--ca-file", str(folder / "ca.crt"))
    command = [
        *(*die_with_parent(), sys.executable, "-m", "proxy", "agent", "--server", server),
        *("--token-file", str(folder / "token"), "--health-listen", f"127.0.0.1:{port}"),
        *("--log-level", "debug", *options),
    ]
    variables = {
        "PATH": os.environ["PATH"],
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api_server),
        "POD_NAME": "agent-0",
        "NODE_NAME": "node-1",
        **(environ or {}),
    }
    with (folder / "agent.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=log, stderr=log)
    agent = AgentProcess(folder, port, process)
    try:
        await eventually(lambda: agent.health("/healthz"), what=lambda: f"the agent: {agent.log}")
        yield agent
    finally:
        process.kill()
        process.wait()
