"""``python -m bench.credential``: the CPU time of ``sekisho credential`` with a good sign-in.

kubectl runs the command for each call. It is installed from this checkout into an environment of
its own, as users install it, and compared with an interpreter that does nothing. The runs are
interleaved, so that both see the same machine; a figure is the median of user and system time.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from bench.servers import ROOT
from proxy.cli.client import credential_cache
from proxy.cli.client.credential_cache import Credential

SERVER = "https://sekisho.example.com"
TARGET = 1.5
"""How much the command may cost, in runs of ``python -c pass``."""


def main() -> None:
    """Measure, print, and exit with 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.credential", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs of each (200)")
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scripts = _installed(folder)
        environ = {**os.environ, "XDG_CONFIG_HOME": name, "SEKISHO_CREDENTIAL_STORE": "file"}
        with mock.patch.dict(os.environ, environ):
            credential_cache.save(_sign_in())
        commands = {
            "python -c pass": (f"{scripts}/python", "-c", "pass"),
            "sekisho credential": (f"{scripts}/sekisho", "credential", "--server", SERVER),
            "sekisho version": (f"{scripts}/sekisho", "version"),
        }
        figures = _medians(commands, environ, runs)
    bare = figures["python -c pass"]
    for label, seconds in figures.items():
        print(f"{label:20} {seconds * 1000:6.1f} ms  {seconds / bare:5.2f} ×")
    sys.exit(figures["sekisho credential"] > TARGET * bare)


def _installed(folder: Path) -> Path:
    """Install Sekisho and what its command line imports; return the folder of scripts."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    environment = folder / "environment"
    subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    install = (*uv, "pip", "install", "--compile-bytecode", "--python", str(python))
    subprocess.run([*install, "--no-deps", str(ROOT)], check=True)
    subprocess.run([*install, "click"], check=True)
    return environment / "bin"


def _sign_in() -> Credential:
    now = datetime.now(UTC)
    week = now + timedelta(days=7)
    return Credential(SERVER, f"session-abc:{'x' * 54}", now + timedelta(hours=16), "x", now, week)


def _medians(
    commands: Mapping[str, Sequence[str]], environ: Mapping[str, str], runs: int
) -> dict[str, float]:
    measured: dict[str, list[float]] = {label: [] for label in commands}
    for _ in range(runs):
        for label, command in commands.items():
            measured[label].append(_cpu_seconds(command, environ))
    return {label: statistics.median(values) for label, values in measured.items()}


def _cpu_seconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environ, cwd=ROOT / "docs")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
