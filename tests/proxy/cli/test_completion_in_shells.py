"""The scripts of ``sekisho completion`` in the real shells."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.main import main
from tests.support.waiting import BUSY_SECONDS

NON_INTERACTIVE = {
    "bash": 'source "$1"; COMP_WORDS=(sekisho clu); COMP_CWORD=1; _sekisho_completion sekisho;'
    ' printf "%s\\n" "${COMPREPLY[@]}"',
    "fish": 'source "$argv[1]"; complete --do-complete "sekisho clu"',
}
"""What prints the suggestions for ``sekisho clu``. zsh has them only at its prompt."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folder = Path(sys.executable).parent
    assert (folder / "sekisho").exists()
    return {
        "PATH": os.pathsep.join((str(folder), os.environ["PATH"])),
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def script(shell: str, folder: Path) -> Path:
    """Write the script of a shell into a file, as the help says."""
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    file = folder / "_sekisho"
    file.write_text(done.stdout)
    return file


@pytest.mark.parametrize("shell", NON_INTERACTIVE)
def test_shell_suggests_commands(
    shell: str, shells: dict[str, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    options = ("--norc",) if shell == "bash" else ("--no-config",)
    after = ("bash",) if shell == "bash" else ()
    command = (shells[shell], *options, "-c", NON_INTERACTIVE[shell], *after)
    done = subprocess.run(
        [*command, script(shell, tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {one.split("\t")[0] for one in done.stdout.splitlines()} == {"cluster", "clusters"}


def test_zsh_completes_a_command_at_its_prompt(
    shells: dict[str, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    script("zsh", tmp_path)
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [shells["zsh"], "-f", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            # The file is found in a folder of $fpath, as the help says.
            os.write(controller, f"fpath=({tmp_path} $fpath)\n".encode())
            os.write(controller, b"autoload -Uz compinit && compinit -u && print rea'dy'\n")
            _read_until(controller, b"ready")
            os.write(controller, b"sekisho check-c\t")
            _read_until(controller, b"check-config")
        finally:
            process.kill()
            os.close(terminal)
            os.close(controller)


def _read_until(controller: int, wanted: bytes) -> None:
    found = b""
    while wanted not in found:
        assert select.select([controller], [], [], BUSY_SECONDS)[0], found
        found += os.read(controller, 4096)
