"""A real PostgreSQL primary server with a standby that follows it by streaming replication."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import postgres

PASSWORD = "pw"
PRIMARY, STANDBY = 0, 1


class PostgresPair:
    """Two servers on loopback ports, by number. The second one is a standby until it is promoted.

    ``settings`` are further command-line settings of both.
    """

    def __init__(self, directory: Path, *settings: str) -> None:
        self._directory = directory
        self._settings = [part for one in settings for part in ("-c", one)]
        self._programs = postgres.find_programs()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.ports = (postgres.free_port(), postgres.free_port())
        for number in self.ports:
            folder = directory / str(number)
            folder.mkdir(mode=0o700)
            shutil.chown(folder, postgres.server_user())

    def url(self, *ports: int) -> str:
        """Return the superuser's URL of the servers at these ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{postgres.USER}:{PASSWORD}@{hosts}/postgres"

    @property
    def both(self) -> str:
        """Return the URL with both servers."""
        return self.url(*self.ports)

    def prepare(self) -> None:
        """Create the primary server and its standby, and start both."""
        postgres.make_cluster(self._programs, self._folder(PRIMARY), PASSWORD)
        self.start(PRIMARY)
        self._follow(STANDBY, PRIMARY)
        self.start(STANDBY)

    def start(self, number: int) -> None:
        """Start a server, and wait until it accepts connections."""
        folder = self._folder(number)
        with (folder / "log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                postgres.as_server_user(
                    self._programs / "postgres",
                    *(f"-D{folder}/data", f"-k{folder}", "-h127.0.0.1"),
                    *(f"-p{self.ports[number]}", "-F", *self._settings),
                ),
                stdout=log,
                stderr=log,
            )
        url = self.url(self.ports[number])
        postgres.wait_until_ready(self._programs, url, self._processes[number], folder / "log")

    def stop(self, number: int) -> None:
        """Stop a server as an operator does: its clients are disconnected."""
        self._processes[number].send_signal(signal.SIGINT)
        self._processes.pop(number).wait(postgres.START_SECONDS)

    def promote(self, number: int) -> None:
        """Make a standby the primary server, and wait until it is."""
        control = self._programs / "pg_ctl"
        postgres.run(
            *postgres.as_server_user(control, "promote", "-w", f"-D{self._folder(number)}/data")
        )

    def rejoin(self, number: int, primary: int) -> None:
        """Make a stopped server a standby of the other one, from an empty directory."""
        shutil.rmtree(self._folder(number) / "data")
        self._follow(number, primary)
        self.start(number)

    def close(self) -> None:
        """Stop both servers immediately."""
        for process in self._processes.values():
            process.send_signal(signal.SIGQUIT)
        for process in self._processes.values():
            process.wait(postgres.START_SECONDS)

    def _folder(self, number: int) -> Path:
        return self._directory / str(self.ports[number])

    def _follow(self, number: int, primary: int) -> None:
        """Copy the primary server's data, with what makes the copy follow it."""
        backup = self._programs / "pg_basebackup"
        data = self._folder(number) / "data"
        options = ("-D", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        postgres.run(
            *postgres.as_server_user(backup, *options, "-d", self.url(self.ports[primary]))
        )


@contextmanager
def postgres_pair(*settings: str) -> Iterator[PostgresPair]:
    """Run both servers inside the ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="sekisho-postgres-") as name:
        shutil.chown(name, postgres.server_user())
        pair = PostgresPair(Path(name), *settings)
        try:
            pair.prepare()
            yield pair
        finally:
            pair.close()
