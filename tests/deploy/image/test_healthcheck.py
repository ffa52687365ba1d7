"""The image's health check, against a server with TLS, without, and none."""

import pytest

from deploy.image.healthcheck import alive, main
from tests.support.isolation import free_port
from tests.support.sekisho import SekishoWithUsers


def test_healthcheck_of_a_running_server_succeeds(
    proxy: SekishoWithUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKISHO_SERVER__LISTEN", f"127.0.0.1:{proxy.port}")
    assert main() == 0


def test_healthcheck_of_a_plain_server_succeeds(proxy: SekishoWithUsers) -> None:
    assert alive(proxy.metrics_port, tls=False)


def test_healthcheck_without_a_server_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEKISHO_SERVER__LISTEN", f":{free_port()}")
    assert main() == 1
