"""Read the metrics of the server that runs with this configuration on this machine."""

import ssl
from pathlib import Path

import aiohttp

from config.settings import Settings
from providers.http.response_body import open_session, read_body

SCRAPE_SECONDS = 10.0
MAX_METRICS_BYTES = 64 << 20

_ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class NotRunning(Exception):
    """No server responds, or not with metrics. The message says why."""


async def scrape(settings: Settings) -> str:
    """Return the metrics as text. Raises NotRunning."""
    metrics = settings.metrics
    host = _ANY_HOST.get(metrics.listen.host or "", metrics.listen.host or "")
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if metrics.tls.enabled else "http"
    headers = {}
    if metrics.token is not None:
        headers["Authorization"] = f"Bearer {metrics.token.get_secret_value()}"
    url = f"{scheme}://{shown}:{metrics.listen.port}/metrics"
    timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
    try:
        context = _context(_certificate(settings)) if metrics.tls.enabled else True
        async with (
            open_session(timeout=timeout) as session,
            session.get(url, headers=headers, ssl=context) as response,
        ):
            if response.status != 200:
                raise NotRunning(f"{url} responds {response.status}")
            return (await read_body(response, MAX_METRICS_BYTES)).decode("utf-8", "replace")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
        raise NotRunning(f"{url}: {str(exc) or 'no response in time'}") from exc


def _certificate(settings: Settings) -> Path:
    """Return the file of the certificate that the metrics listener has."""
    metrics, server = settings.metrics.tls, settings.server.tls
    return metrics.cert_file or server.cert_file or settings.data_dir / "tls" / "server.crt"


def _context(cert_file: Path) -> ssl.SSLContext:
    """Return a context that accepts exactly the certificates of a file, for any address.

    The certificate names the address for clients, which is not the one of this machine. The token
    is sent to no other server: only the holder of the key can show this certificate.
    """
    context = ssl.create_default_context(cafile=str(cert_file))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
