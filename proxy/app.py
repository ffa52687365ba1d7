"""The composition root: every part of a running Sekisho is made here, and here only."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from config.identity_settings import RetentionSettings
from config.settings import Settings
from management.access_modes import AccessRule
from management.accounts import LocalPasswords, StoredAccounts
from management.app import build_app
from management.browser_sign_in import BrowserSignIn
from management.client_address import ClientAddresses
from management.controllers.manager import ControllerManager
from management.foreign_bearers import ForeignBearers
from management.oauth.grant import Granting
from management.provider_registry import ProviderRegistry, ProviderSpec
from management.refresh import IdentityRefresh, refresh_forever
from management.renewal import renew_forever
from management.resolver import TokenResolver
from management.retention import retire_forever
from management.sealed import Sealer
from management.services import Services
from management.sessions import SessionCookies
from management.sign_in import SignIn
from management.tokens import TokenService
from management.user_accounts import UserAccounts
from providers.base import ProviderContext
from providers.registry import discover
from providers.throttle import Limits
from proxy import garbage
from proxy.access_log import AccessLog
from proxy.allocator import give_back_forever
from proxy.audit_log import AuditLog
from proxy.auditing import audit_of_management, open_audit_log
from proxy.background import Background
from proxy.caller import Authenticator
from proxy.clusters import ClusterDirectory
from proxy.dispatch import dispatcher, request_factory
from proxy.gate import Gate
from proxy.gate_server import GateServer
from proxy.health import Readiness
from proxy.health import routes as health_routes
from proxy.housekeeping import clear_ended_forever
from proxy.last_used import LastUsed
from proxy.lifetimes import lifetimes
from proxy.limits import Limiter
from proxy.line_log import LineLog
from proxy.live import LiveRequests
from proxy.metrics import GateMetrics
from proxy.metrics_app import build_metrics_app
from proxy.opening import OpeningReader
from proxy.overload_watch import watched
from proxy.passage import Checkpoint
from proxy.pool import PoolLimits
from proxy.server_tls import ServerTls
from proxy.startup_settings import Everything
from proxy.state_metrics import StateCollector
from store.encryption import Keyring
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class Running:
    """What serves: the main server's parts and the metrics application."""

    server: GateServer
    metrics_app: web.Application
    readiness: Readiness
    gate: Gate
    begin: Callable[[], None]
    """Begins what can wait until requests are served. To be called then."""


@asynccontextmanager
async def assembled(
    everything: Everything, store: Store, keyring: Keyring, tls: ServerTls, *, log_style: str
) -> AsyncIterator[Running]:
    """Everything but the listeners, running; taken apart again in the opposite order."""
    settings = everything.settings
    async with AsyncExitStack() as stack:
        registry = _registry()
        metrics = GateMetrics(registry)
        providers = _providers(everything, store)
        sign_in = SignIn(store, TokenService(store.tokens, lifetimes(settings)), providers)
        resolver = TokenResolver(store, ForeignBearers(store, sign_in))
        background = Background()
        live = LiveRequests(store, resolver)
        last_used = LastUsed(store.tokens, registry)
        directory = ClusterDirectory(store, metrics, _limits(settings))
        await directory.load()
        stack.push_async_callback(directory.close)
        stack.push_async_callback(providers.close)
        await providers.start()
        refresh = IdentityRefresh(
            store,
            providers.everything,
            interval=settings.identities.refresh_interval,
            count=metrics.count_refreshed,
        )
        services = _services(settings, store, keyring, tls, resolver, sign_in, providers, refresh)
        controllers = ControllerManager(store)
        registry.register(StateCollector(resolver, directory, providers, controllers))
        readiness = Readiness(
            {"store": store.ping},
            lambda: {f"provider/{name}": why for name, why in providers.health().items()},
        )
        audit_log = open_audit_log(settings, metrics.audit_log_lost.inc, stack)
        accounts = UserAccounts(store)
        background.keep("accounts", accounts.follow_changes)
        gate = Gate(
            Checkpoint(
                directory,
                Authenticator(resolver, metrics, services.cookies),
                accounts,
                max_body=settings.limits.body,
            ),
            metrics,
            limiter=stack.enter_context(
                watched(Limiter(settings.limits, time.monotonic, metrics.count_limited), registry)
            ),
            live=live,
            last_used=last_used,
            access_log=_access_log(settings, metrics, stack, log_style),
            audit_log=audit_log,
            addresses=services.addresses,
            upgrade_idle_timeout=settings.gate.upgrade_idle_timeout.total_seconds(),
        )
        runner = web.AppRunner(build_app(services, health_routes(readiness)), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        _keep_running(background, store, resolver, directory, live, last_used, tls)
        stack.push_async_callback(background.stop)

        def begin() -> None:
            garbage.settle()
            _keep_identities(background, store, providers, refresh, settings.identities.retention)
            if settings.controllers.enabled:
                background.keep("controllers", controllers.run)

        yield Running(
            _server(gate, resolver, runner, audit_log, services.addresses, settings),
            build_metrics_app(registry, readiness),
            readiness,
            gate,
            begin,
        )


def _server(
    gate: Gate,
    resolver: TokenResolver,
    management: web.AppRunner,
    audit_log: AuditLog | None,
    addresses: ClientAddresses,
    settings: Settings,
) -> GateServer:
    """One server for both halves. Management's own handler is taken from its runner."""
    inner = management.server
    assert inner is not None
    lines = {
        "max_line_size": int(settings.limits.head_line),
        "max_field_size": int(settings.limits.head_line),
        "max_headers": settings.limits.head_lines,
    }
    reader = OpeningReader(asyncio.get_running_loop(), addresses, **lines)
    return GateServer(
        dispatcher(gate, inner.request_handler, audit_of_management(audit_log)),
        malformed=gate.malformed,
        express=gate.express(resolver, reader).take,
        request_factory=request_factory(inner.request_factory),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=settings.server.idle_timeout.total_seconds(),
        max_head=settings.limits.head,
        **lines,
    )


def _keep_running(
    background: Background,
    store: Store,
    resolver: TokenResolver,
    directory: ClusterDirectory,
    live: LiveRequests,
    last_used: LastUsed,
    tls: ServerTls,
) -> None:
    background.keep("resolver", resolver.follow_changes)
    background.keep("clusters", directory.follow_changes)
    background.keep("clusters-blind", directory.refresh_while_blind)
    # After the resolver: what it forgets must not be asked of it again.
    background.keep("live", live.follow_changes)
    background.keep("live-expired", live.end_expired)
    background.keep("last-used", last_used.write_forever)
    background.keep("ended-tokens", lambda: clear_ended_forever(store))
    background.keep("token-renewal", lambda: renew_forever(store))
    background.keep("certificate", tls.refresh_forever)
    background.keep("allocator", give_back_forever)


def _keep_identities(
    background: Background,
    store: Store,
    providers: ProviderRegistry,
    refresh: IdentityRefresh,
    retention: RetentionSettings,
) -> None:
    background.keep("providers", providers.follow_changes)
    background.keep("provider-checks", providers.check_forever)
    background.keep("refresh", lambda: refresh_forever(refresh))
    background.keep(
        "retention", lambda: retire_forever(store, retention.disable_after, retention.delete_after)
    )


def _registry() -> CollectorRegistry:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _limits(settings: Settings) -> PoolLimits:
    gate = settings.gate
    return PoolLimits(
        connect_timeout=gate.connect_timeout.total_seconds(),
        head_timeout=gate.response_head_timeout.total_seconds(),
        idle_ttl=gate.idle_connection_ttl.total_seconds(),
        max_connections=gate.max_connections_per_cluster,
    )


def _access_log(
    settings: Settings, metrics: GateMetrics, stack: AsyncExitStack, style: str
) -> AccessLog | None:
    if not settings.log.access:
        return None
    log = LineLog(sys.stderr, lost=metrics.access_log_lost.inc)
    stack.callback(log.close)
    return AccessLog(log, "console" if style == "console" else "json")


def _providers(everything: Everything, store: Store) -> ProviderRegistry:
    """Every provider, those with passwords throttled; not started yet."""
    login = everything.settings.login
    limits = Limits(
        login.attempts_per_user, login.attempts_per_address, login.window.total_seconds()
    )
    specs = [
        ProviderSpec(
            one.name,
            one.entry.type,
            one.type,
            one.settings,
            one.entry.enabled,
            AccessRule(one.entry.access_mode, frozenset(one.entry.allowed_principals)),
        )
        for one in everything.providers
    ]
    context = ProviderContext(StoredAccounts(store), time.monotonic)
    return ProviderRegistry(store, specs, context, limits, discover())


def _services(
    settings: Settings,
    store: Store,
    keyring: Keyring,
    tls: ServerTls,
    resolver: TokenResolver,
    sign_in: SignIn,
    doors: ProviderRegistry,
    refresh: IdentityRefresh,
) -> Services:
    tokens = TokenService(store.tokens, lifetimes(settings))
    sealer = Sealer(keyring.derive_all("sign-in"))
    local = next((door for door in doors.values() if "local" in door.schemes), None)
    return Services(
        store=store,
        resolver=resolver,
        sign_in=sign_in,
        browser=BrowserSignIn(sign_in, store.one_time, sealer, settings.external_url),
        granting=Granting(store, tokens, sign_in, resolver, sealer, ForeignBearers(store, sign_in)),
        tokens=tokens,
        passwords=LocalPasswords(
            store,
            local.password if local else None,
            min_length=settings.login.password_min_length,
        ),
        cookies=SessionCookies(
            keyring.derive_all("cookie"),
            external_url=settings.external_url,
            max_age=int(settings.sessions.ttl.total_seconds()),
        ),
        sealer=Sealer(keyring.derive_all("registration")),
        external_url=settings.external_url,
        ca_pem=tls.ca_pem,
        session_ttl=settings.sessions.ttl,
        addresses=ClientAddresses(settings.server.trusted_proxies),
        providers=doors,
        refresh=refresh,
    )
