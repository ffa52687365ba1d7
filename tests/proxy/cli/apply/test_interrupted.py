"""Tests of a run that Ctrl-C ends: what was done is reported, and a second run completes it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.proxy.cli.verbs.conftest import CommandLine

NUMBER = 300


def test_interrupted_run_reports_what_was_done_and_is_completed_by_the_next(
    root: CommandLine, tmp_path: Path
) -> None:
    roles = "---\n".join(
        f"apiVersion: sekisho.io/v1\nkind: Role\nmetadata: {{name: many-{number}}}\n"
        "spec: {scope: cluster}\n"
        for number in range(NUMBER)
    )
    file = tmp_path / "roles.yaml"
    file.write_text(roles)
    command = [sys.executable, "-u", "-m", "proxy", "apply", "-f", str(file)]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(root.home), **root.environment}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert first == "role/cluster/many-0 created\n"
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    counts = re.fullmatch(r"(\d+) created, (\d+) not finished", rest.splitlines()[-1])
    assert counts is not None, rest
    assert int(counts[1]) + int(counts[2]) == NUMBER
    again = root.run("apply", "-f", str(file)).stdout.splitlines()
    assert sum(line.endswith((" created", " unchanged")) for line in again[:-1]) == NUMBER
    assert root.run("apply", "-f", str(file)).stdout.endswith(f"{NUMBER} unchanged\n")
