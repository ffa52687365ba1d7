"""``--watch``: a list and then its changes, as a user sees them."""

import json

from tests.proxy.cli.commands_on_pipes import CommandOnPipes
from tests.proxy.cli.verbs.conftest import CommandLine


def test_watch_prints_changes_until_ctrl_c(root: CommandLine) -> None:
    with CommandOnPipes(root, "user", "list", "--watch", "-o", "json") as watcher:
        seen = set()
        while "bob" not in seen:
            seen.add(json.loads(watcher.line())["object"]["username"])
        root.run("user", "create", "judy", "--no-password")
        while (change := json.loads(watcher.line()))["object"]["username"] != "judy":
            pass
        assert change["event"] == "added"
        root.run("user", "delete", "judy", "--yes")
        while (change := json.loads(watcher.line()))["event"] != "deleted":
            pass
        assert change["object"]["username"] == "judy"
        assert watcher.interrupt() == 130
    assert "Traceback" not in watcher.errors
