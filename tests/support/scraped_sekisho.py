"""A Sekisho whose metrics need a token over TLS, and a real Prometheus that scrapes it."""

import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.prometheus import Prometheus, running
from tests.support.sekisho import SekishoWithUsers

TOKEN = "scrape-token-0123456789"
PROTECTED = {
    "SEKISHO_METRICS__TOKEN": TOKEN,
    "SEKISHO_METRICS__TLS__FROM_SERVER": "true",
}


class ScrapedSekisho(SekishoWithUsers):
    """A Sekisho of which only programs with the token see metrics."""

    @classmethod
    def protected(cls, server: SekishoWithUsers) -> "ScrapedSekisho":
        """Return a stopped server with its metrics protected."""
        made = cls(**{name: getattr(server, name) for name in server.__dataclass_fields__})
        made.environment = server.environment | PROTECTED
        return made

    def get_monitoring(self, path: str) -> str:
        """Return the response body of the metrics listener."""
        ca_file = self.folder / "data" / "tls" / "ca.crt"
        url = f"https://127.0.0.1:{self.metrics_port}{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        context = ssl.create_default_context(cafile=str(ca_file))
        with urllib.request.urlopen(request, timeout=60, context=context) as response:
            return str(response.read().decode())


@contextmanager
def scraping(
    server: ScrapedSekisho, program: Path, folder: Path, port: int, rules: list[Path]
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ``server`` each second as the job ``sekisho``."""
    (folder / "token").write_text(TOKEN)
    job = {
        "job_name": "sekisho",
        "scheme": "https",
        "scrape_interval": "1s",
        "authorization": {"credentials_file": str(folder / "token")},
        "tls_config": {"ca_file": str(server.folder / "data" / "tls" / "ca.crt")},
        "static_configs": [{"targets": [f"127.0.0.1:{server.metrics_port}"]}],
    }
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [str(file) for file in rules],
        "scrape_configs": [job],
    }
    with running(program, folder, config, port) as prometheus:
        yield prometheus
