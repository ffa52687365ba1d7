"""The composition root: creates and connects every part of a running Sekisho."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from config.identity_settings import RetentionSettings
from management.api.server_state import ServerState
from management.app import build_app
from management.authentication.external_tokens import ExternalTokens
from management.authentication.token_authenticator import TokenAuthenticator
from management.caller_client.gate import Gate
from management.clusters.agent_maintenance import maintain_agents_forever
from management.clusters.token_renewal import renew_forever
from management.clusters.user_tokens import UserServiceAccountTokens
from management.controllers.agents import Agents
from management.controllers.manager import ControllerManager
from management.http.request_id import RequestIds
from management.identity.identity_refresh import IdentityRefresher
from management.identity.provider_registry import ProviderRegistry
from management.identity.refresh_loop import refresh_forever
from management.identity.retention import retire_forever
from management.identity.sign_in import SignInService
from management.identity.tokens import TokenIssuer, token_lifetimes
from management.kubernetes.process_memory import ProcessMemory
from management.tunnels.directory import TunnelDirectory
from proxy.audit.index_writer import keep_searchable
from proxy.audit.setup import management_audit_observer, open_audit_log
from proxy.auth.authenticator import Authenticator
from proxy.auth.request_authorizer import RequestAuthorizer
from proxy.background import memory
from proxy.background.maintenance import purge_expired_forever
from proxy.background.memory import trim_heap_forever
from proxy.background.tasks import BackgroundTasks
from proxy.client.dispatch import dispatcher
from proxy.client.in_process import InProcessServer
from proxy.client.management_trace import traced
from proxy.client.server import ConnectionFactory, ProxyServer, create_connection
from proxy.fastpath.factory import fast_path_connections  # fast path
from proxy.forwarding.active_requests import ActiveRequests
from proxy.forwarding.handler import ProxyHandler
from proxy.forwarding.lifecycle import RequestLifecycle
from proxy.forwarding.request_trace import RequestTracer
from proxy.forwarding.services import ProxyServices
from proxy.limits.anonymous import AnonymousLimiter
from proxy.limits.cluster_memory import cluster_memory
from proxy.limits.connections import ConnectionLimiter
from proxy.limits.limiter import Limiter
from proxy.limits.loop_lag import monitor_loop_lag
from proxy.limits.management_api import ManagementLimits
from proxy.logs.open_access_log import open_access_log
from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.metrics.token_usage import TokenUsageRecorder
from proxy.monitoring.app import build_metrics_app, create_metrics_registry
from proxy.monitoring.health import Readiness
from proxy.monitoring.health import routes as health_routes
from proxy.monitoring.provisioning_reports import create_provisioners
from proxy.monitoring.server_collector import observe_server
from proxy.monitoring.state_collector import StateCollector
from proxy.monitoring.trace_collector import TraceCollector
from proxy.startup.configuration import LoadedConfig
from proxy.startup.main_server import header_limits, main_server
from proxy.startup.management_services import create_services
from proxy.startup.providers import create_provider_registry
from proxy.startup.tracing import open_tracing
from proxy.transport.descriptors import most_connections
from proxy.transport.server_tls import ServerTls
from proxy.tunnels.peer_metrics import PeerMetrics
from proxy.tunnels.peering import ALONE, PeerPlace, open_peering
from proxy.tunnels.replica import this_replica
from proxy.tunnels.service import STOPPING, TunnelService
from proxy.upstream.limits import pool_limits
from proxy.upstream.registry import UpstreamRegistry
from store.encryption import Keyring
from store.interfaces import Store


@dataclass(frozen=True, slots=True)
class Application:
    """A running application without its listeners: main server and metrics application."""

    server: ProxyServer
    connections: ConnectionLimiter
    refused: Callable[[str], None]
    """To be called with the reason of each refused connection."""
    metrics_app: web.Application
    readiness: Readiness
    handler: ProxyHandler
    tunnels: TunnelService
    begin: Callable[[], None]
    """To be called once requests are served: starts what can wait until then."""


@asynccontextmanager
async def build_application(
    loaded: LoadedConfig,
    store: Store,
    keyring: Keyring,
    tls: ServerTls,
    *,
    log_style: str,
    place: PeerPlace = ALONE,
) -> AsyncIterator[Application]:
    """Create and run everything except the listeners for clients. Closes it in reverse order."""
    settings = loaded.settings
    async with AsyncExitStack() as stack:
        registry = create_metrics_registry()
        metrics = ProxyMetrics(registry)
        background = BackgroundTasks()
        peer = this_replica()
        tracing, trace_counts = open_tracing(settings, stack, peer.id)
        registry.register(TraceCollector(trace_counts))
        providers = create_provider_registry(loaded, store)
        tokens = TokenIssuer(store.tokens, token_lifetimes(settings))
        sign_in = SignInService(store, tokens, providers)
        authenticator = TokenAuthenticator(store, ExternalTokens(store, sign_in))
        peering = await stack.enter_async_context(
            open_peering(settings.peering, keyring, peer, place)
        )
        directory = TunnelDirectory(store, peering.replica, remote=peering.client)
        peering.serve(directory)
        store.clusters.use_dialers(directory.dialer)
        # After what uses the tunnels has ended: the stack is unwound from its end.
        stack.push_async_callback(directory.close, STOPPING)
        clusters = UpstreamRegistry(store, metrics, pool_limits(settings.upstream))
        await clusters.load()
        stack.push_async_callback(clusters.close)
        stack.push_async_callback(providers.close)
        await providers.start()
        refresh = IdentityRefresher(
            store,
            providers.everything,
            interval=settings.identities.refresh_interval,
            when_grant_ends=settings.identities.when_grant_ends,
            count=metrics.count_refreshed,
            show_failing=metrics.show_not_refreshed,
        )
        limiter = Limiter(settings.limits, time.monotonic, metrics.count_limited)
        stack.enter_context(monitor_loop_lag(limiter, registry))
        anonymous_limiter = AnonymousLimiter(
            settings.limits.anonymous, time.monotonic, metrics.count_limited
        )
        in_process = InProcessServer()
        services = replace(
            create_services(
                settings, store, keyring, tls.ca_pem, authenticator, sign_in, providers, refresh
            ),
            limits=ManagementLimits(limiter, anonymous_limiter),
            agents=directory.agents,
            gate=Gate(in_process.dial),
            state=lambda: ServerState(
                limiter.guard.overloaded, limiter.guard.lag, tls.certificate_ends_at
            ),
        )
        agents = Agents(directory.agents, services.agent_image)
        memory_of_clusters = ProcessMemory(cluster_memory(settings))
        controllers = ControllerManager.from_settings(store, settings, agents, memory_of_clusters)
        controllers.tracing = tracing
        registry.register(
            StateCollector(authenticator, clusters, providers, controllers, store.changes)
        )
        readiness = Readiness(
            {"store": store.ping},
            lambda: {f"provider/{name}": error for name, error in providers.health().items()},
        )
        audit_log = open_audit_log(
            settings,
            metrics.audit_log_dropped.inc,
            stack,
            metrics.audit_log_over_budget.inc,
            metrics.count_not_searchable,
        )
        provisioners = create_provisioners(services, controllers, audit_log, registry)
        active_requests = ActiveRequests(store, authenticator)
        token_usage = TokenUsageRecorder(store.tokens, registry)
        user_tokens = UserServiceAccountTokens(store)
        access_log = open_access_log(settings.log, metrics.access_log_dropped.inc, stack, log_style)
        observer = management_audit_observer(audit_log)
        tunnels = TunnelService(
            store,
            directory,
            anonymous_limiter,
            services.addresses,
            access_log=access_log,
            observer=observer,
        )
        registry.register(tunnels.records)
        registry.register(PeerMetrics(peering))

        # Both request paths share these objects, so they cannot differ in a decision or a record.
        proxy_services = ProxyServices(
            RequestAuthorizer(
                clusters,
                Authenticator(authenticator, metrics, services.cookies, anonymous_limiter),
                user_tokens,
                max_body=settings.limits.body,
            ),
            RequestLifecycle(
                metrics,
                limiter,
                active_requests,
                token_usage,
                access_log=access_log,
                audit_log=audit_log,
            ),
            RequestIds(),
            services.addresses,
            settings.upstream.upgrade_idle_timeout.total_seconds(),
            RequestTracer(tracing) if tracing is not None else None,
        )
        handler = ProxyHandler(proxy_services)
        limits_of_heads = header_limits(settings)
        connect: ConnectionFactory = create_connection
        # The fast path is optional: without its folder and its lines here, all else works.
        connect = fast_path_connections(proxy_services, authenticator, limits_of_heads)  # fast path

        runner = web.AppRunner(
            build_app(services, health_routes(readiness, public=True)), access_log=None
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        _start_background(background, store, authenticator, clusters, active_requests, tls)
        background.keep("accounts", user_tokens.follow_changes)
        background.keep("last-used", token_usage.write_forever)
        keep_searchable(background, audit_log, store.audit, settings.audit.search)
        tunnels.start(background)
        observe_server(registry, background, tls, store, sign_in.counts)
        stack.push_async_callback(background.stop)

        limits = settings.limits.connections
        connections = ConnectionLimiter(
            limits, limits.total or most_connections(), services.addresses, time.monotonic
        )
        metrics.watch_connections(connections)

        def begin() -> None:
            memory.freeze_startup_objects()
            _keep_identities(background, store, providers, refresh, settings.identities.retention)
            if settings.controllers.enabled:
                background.keep("controllers", controllers.run)
                background.keep("provisioning", provisioners.run)

        assert runner.server is not None
        api = traced(runner.server.request_handler, tracing)
        endpoint = traced(tunnels.endpoint, tracing)
        dispatch = dispatcher(handler, api, endpoint, anonymous_limiter, observer)
        server = main_server(
            dispatch, connect, handler.handle_malformed, runner.server, metrics, settings
        )
        in_process.serve(server)
        yield Application(
            server,
            connections,
            metrics.count_refused_connection,
            build_metrics_app(registry, readiness),
            readiness,
            handler,
            tunnels,
            begin,
        )


def _start_background(
    background: BackgroundTasks,
    store: Store,
    authenticator: TokenAuthenticator,
    clusters: UpstreamRegistry,
    active_requests: ActiveRequests,
    tls: ServerTls,
) -> None:
    background.keep("resolver", authenticator.follow_changes)
    background.keep("clusters", clusters.follow_changes)
    background.keep("clusters-poll", clusters.poll)
    # After the authenticator: an entry that it drops must not be read from it again.
    background.keep("live", active_requests.follow_changes)
    background.keep("live-expired", active_requests.end_expired)
    background.keep("ended-tokens", lambda: purge_expired_forever(store))
    background.keep("token-renewal", lambda: renew_forever(store))
    background.keep("agents", lambda: maintain_agents_forever(store))
    background.keep("certificate", tls.refresh_forever)
    background.keep("heap-trim", trim_heap_forever)


def _keep_identities(
    background: BackgroundTasks,
    store: Store,
    providers: ProviderRegistry,
    refresh: IdentityRefresher,
    retention: RetentionSettings,
) -> None:
    background.keep("providers", providers.follow_changes)
    background.keep("provider-checks", providers.check_forever)
    background.keep("refresh", lambda: refresh_forever(refresh))
    background.keep(
        "retention", lambda: retire_forever(store, retention.disable_after, retention.delete_after)
    )
