"""A command of Sekisho in the tests' process."""

from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli.main import main


def run(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
