"""``sekisho version``."""

from click.testing import CliRunner

from proxy.cli.version import version, version_number


def test_version_of_a_checkout_is_a_number() -> None:
    assert CliRunner().invoke(version, []).output == f"sekisho {version_number()}\n"
