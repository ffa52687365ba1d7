"""The metrics listener: with or without TLS, and with or without a bearer token."""

import hmac
import ipaddress
from contextlib import AsyncExitStack

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from config.listen import Listen
from config.loggers import get_logger
from config.server_settings import TlsSettings
from config.settings import Settings
from proxy.background.tasks import BackgroundTasks
from proxy.server.listeners import METRICS_GRACE_SECONDS, open_listener
from proxy.transport.server_tls import ServerTls

_LOG = get_logger(__name__)


async def serve_metrics(stack: AsyncExitStack, app: web.Application, settings: Settings) -> None:
    """Open the listener of ``app``. It closes with ``stack``. Raises ConfigError."""
    token = settings.metrics.token
    if token is not None:
        app.middlewares.append(require_token(token.get_secret_value()))
    elif not _is_loopback(settings.metrics.listen):
        _LOG.warning(
            "metrics are served to every client that reaches the listener",
            listen=str(settings.metrics.listen),
            fix="set metrics.token_file, or a loopback address as metrics.listen",
        )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=METRICS_GRACE_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    context = None
    if settings.metrics.tls.enabled:
        tls = ServerTls(_with_certificate(settings))
        background = BackgroundTasks()
        background.keep("metrics-certificate", tls.refresh_forever)
        stack.push_async_callback(background.stop)
        context = tls.context
    await open_listener(runner, "metrics.listen", settings.metrics.listen, context)


def require_token(token: str) -> Middleware:
    """Return a middleware that requires the bearer token for metrics and for lists of checks.

    The plain probes stay open: a kubelet sends no secret, and they reveal only a state.
    """
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_probe = request.path in {"/healthz", "/readyz"} and "verbose" not in request.query
        sent = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if is_probe or hmac.compare_digest(sent, expected):
            return await handler(request)
        return web.Response(
            status=401,
            headers={"WWW-Authenticate": 'Bearer realm="sekisho-metrics"'},
            text="this needs the bearer token of metrics.token_file\n",
        )

    return authenticate


def _with_certificate(settings: Settings) -> Settings:
    """Return settings whose main listener has the certificate of the metrics listener."""
    tls = settings.metrics.tls
    if tls.from_server:
        return settings
    files = TlsSettings(cert_file=tls.cert_file, key_file=tls.key_file)
    server = settings.server.model_copy(update={"tls": files})
    return settings.model_copy(update={"server": server})


def _is_loopback(listen: Listen) -> bool:
    try:
        return ipaddress.ip_address(listen.host or "").is_loopback
    except ValueError:
        return listen.host == "localhost"
