"""``--watch``: a list and then its changes, as a user sees them."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

from tests.proxy.cli.verbs.conftest import CommandLine, World


def test_watch_prints_changes_until_ctrl_c(world: World, root: CommandLine) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "user", "list", "--watch", "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
        env={**os.environ, "XDG_CONFIG_HOME": str(root.home)},
    )
    lines: Queue[str] = Queue()
    assert process.stdout is not None

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    seen = set()
    while "bob" not in seen:
        seen.add(json.loads(lines.get(timeout=90))["object"]["username"])
    root.run("user", "create", "judy", "--no-password")
    while (change := json.loads(lines.get(timeout=90)))["object"]["username"] != "judy":
        pass
    assert change["event"] == "added"
    root.run("user", "delete", "judy", "--yes")
    while (change := json.loads(lines.get(timeout=90)))["event"] != "deleted":
        pass
    assert change["object"]["username"] == "judy"
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    reader.join(60)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
