"""The command line on a user's machine, which signs in at a server with a certified issuer."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.management.oauth.conftest import World
from tests.support.sekisho import PASSWORD, Sekisho

ROOT = Path(__file__).parents[3]


def ca_file(world: World) -> str:
    return str(world.server.folder / "data" / "tls" / "ca.crt")


@asynccontextmanager
async def running_login(
    world: World, laptop: Sekisho, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``sekisho login`` at corp in a process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "login", "--server", world.server.url),
        *("--provider", "corp", "--ca-file", ca_file(world), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **laptop.environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, pattern: str) -> str:
    """Return the first match on its standard error."""
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if found := re.search(pattern, line):
            return found[0]
    raise AssertionError("the command ended without saying so")


def kept(laptop: Sekisho) -> Path:
    (file,) = (laptop.folder / "home" / "sekisho" / "credentials").glob("*.json")
    return file


def credential(laptop: Sekisho, world: World, **environment: str) -> dict[str, Any]:
    laptop.environment |= environment
    done = laptop.run("credential", "--server", world.server.url)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def sign_in(laptop: Sekisho, world: World) -> None:
    laptop.run(
        *("login", "--server", world.server.url, "--provider", "local", "--username", "carol"),
        *("--password-stdin", "--ca-file", ca_file(world)),
        stdin=PASSWORD + "\n",
    )


def nearly_over(laptop: Sekisho, **changes: Any) -> None:
    """Change the cached credential so that it ends in five minutes."""
    ends = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    data = json.loads(kept(laptop).read_text()) | {"expires_at": ends} | changes
    kept(laptop).write_text(json.dumps(data))
