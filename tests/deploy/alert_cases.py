"""Series for which each alert fires, and series for which it is quiet, in promtool's notation."""

from dataclasses import dataclass, field

JOB, INSTANCE = 'job="sekisho"', 'instance="a:9443"'
DAY = 86400
CLUSTER = f'{JOB},{INSTANCE},cluster="prod"'


@dataclass(frozen=True)
class Case:
    """One rule: the series by name, and the time of the evaluation.

    ``labels`` are those of the alert beside its severity. ``with_severities``: other rules of the
    same alert that fire for the same series.
    """

    alert: str
    fires: dict[str, str]
    quiet: dict[str, str]
    labels: dict[str, str] = field(default_factory=lambda: {"job": "sekisho"})
    after: str = "40m"
    severity: str = "warning"
    with_severities: tuple[str, ...] = ()


def on(value: str) -> str:
    """Return two hours with one value."""
    return f"{value}x120"


def growing(step: float) -> str:
    """Return a counter that grows by ``step`` a minute, for two hours."""
    return f"0+{step}x120"


def requests(good: float, bad: float) -> dict[str, str]:
    name = f'sekisho_requests_total{{{CLUSTER},verb="get"'
    return {f'{name},code="200"}}': growing(good), f'{name},code="503"}}': growing(bad)}


def durations(name: str, labels: str, *, slow: float) -> dict[str, str]:
    """Return a histogram of which ``slow`` of a hundred observations a minute are above 2.5."""
    return {
        f'{name}_bucket{{{labels},le="0.1"}}': growing(100 - slow),
        f'{name}_bucket{{{labels},le="2.5"}}': growing(100 - slow),
        f'{name}_bucket{{{labels},le="5.0"}}': growing(100),
        f'{name}_bucket{{{labels},le="+Inf"}}': growing(100),
        f"{name}_count{{{labels}}}": growing(100),
    }


def condition(name: str, value: int) -> dict[str, str]:
    return {f'sekisho_cluster_condition{{{CLUSTER},condition="{name}"}}': on(f"{value}+0")}


def gauge(name: str, labels: str, value: float) -> dict[str, str]:
    return {f"{name}{{{labels}}}": on(f"{value}+0")}


def credential(kind: str, days: float) -> dict[str, str]:
    name = "sekisho_cluster_credential_expiry_timestamp_seconds"
    return gauge(name, f'{CLUSTER},kind="{kind}"', days * DAY)


def sign_ins(accepted: float, refused: float) -> dict[str, str]:
    name = f'sekisho_sign_ins_total{{{JOB},{INSTANCE},provider="corp"'
    return {
        f'{name},outcome="accepted"}}': growing(accepted),
        f'{name},outcome="refused"}}': growing(refused),
    }


IN_CLUSTER = {"job": "sekisho", "cluster": "prod"}
AT_INSTANCE = {"job": "sekisho", "instance": "a:9443"}
AT_PROVIDER = {"job": "sekisho", "provider": "corp"}
BUILD = gauge("sekisho_build_info", f'{JOB},{INSTANCE},version="1"', 1)
RENEWAL = f'sekisho_cluster_credential_renewal_timestamp_seconds{{{CLUSTER},kind="cluster_token"}}'


def lag(seconds: float) -> dict[str, str]:
    """Return the event loop's lag as a sum of that many seconds a minute."""
    name = "sekisho_event_loop_lag_seconds"
    labels = f"{{{JOB},{INSTANCE}}}"
    return {f"{name}_sum{labels}": growing(seconds), f"{name}_count{labels}": growing(1200)}


CASES = [
    Case(
        "SekishoErrorBudgetBurn",
        requests(95, 5),
        requests(100000, 5),
        severity="critical",
        with_severities=("warning",),
        after="80m",
    ),
    Case("SekishoErrorBudgetBurn", requests(990, 9), requests(5, 0.1), after="80m"),
    Case(
        "SekishoRequestsSlow",
        durations("sekisho_request_duration_seconds", f'{CLUSTER},verb="get"', slow=5),
        durations("sekisho_request_duration_seconds", f'{CLUSTER},verb="get"', slow=0.1),
        labels=IN_CLUSTER,
    ),
    Case(
        "SekishoOverloaded",
        gauge("sekisho_overloaded", f"{JOB},{INSTANCE}", 1),
        gauge("sekisho_overloaded", f"{JOB},{INSTANCE}", 0),
        labels=AT_INSTANCE,
    ),
    Case(
        "SekishoEventLoopLag",
        lag(60),
        lag(1.2),
        labels=AT_INSTANCE,
    ),
    Case(
        "SekishoAuditEventsDropped",
        {f"sekisho_audit_log_dropped_total{{{JOB},{INSTANCE}}}": growing(1)},
        {f"sekisho_audit_log_dropped_total{{{JOB},{INSTANCE}}}": on("7+0")},
        labels=AT_INSTANCE,
        severity="critical",
    ),
    Case("SekishoAbsent", {}, BUILD, labels={}, severity="critical"),
    Case(
        "SekishoReplicaDown",
        {f"up{{{JOB},{INSTANCE}}}": "1x20 0x100", next(iter(BUILD)): "1x20 _x100"},
        {f"up{{{JOB},{INSTANCE}}}": on("1+0"), f'up{{job="other",{INSTANCE}}}': on("0+0")} | BUILD,
        labels=AT_INSTANCE,
    ),
    Case(
        "SekishoWorkerDown",
        gauge("sekisho_worker_up", f'{JOB},{INSTANCE},worker="1"', 0),
        gauge("sekisho_worker_up", f'{JOB},{INSTANCE},worker="1"', 1),
        labels=AT_INSTANCE | {"worker": "1"},
    ),
    Case(
        "SekishoFileDescriptors",
        gauge("process_open_fds", f"{JOB},{INSTANCE}", 900)
        | gauge("process_max_fds", f"{JOB},{INSTANCE}", 1024)
        | BUILD,
        gauge("process_open_fds", 'job="other"', 900)
        | gauge("process_max_fds", 'job="other"', 1024)
        | BUILD,
        labels=AT_INSTANCE,
    ),
    Case(
        "SekishoStoreErrors",
        {f'sekisho_store_errors_total{{{JOB},{INSTANCE},operation="read"}}': growing(1)},
        {f'sekisho_store_errors_total{{{JOB},{INSTANCE},operation="read"}}': on("3+0")},
        severity="critical",
    ),
    Case(
        "SekishoStoreSlow",
        durations("sekisho_store_duration_seconds", f'{JOB},operation="write"', slow=5),
        durations("sekisho_store_duration_seconds", f'{JOB},operation="write"', slow=0.1),
        labels={"job": "sekisho", "operation": "write"},
    ),
    Case(
        "SekishoServerCertificateEnding",
        gauge("sekisho_server_certificate_expiry_timestamp_seconds", JOB, 10 * DAY),
        gauge("sekisho_server_certificate_expiry_timestamp_seconds", JOB, 29 * DAY),
        after="90m",
    ),
    Case(
        "SekishoServerCertificateEnding",
        gauge("sekisho_server_certificate_expiry_timestamp_seconds", JOB, DAY),
        gauge("sekisho_server_certificate_expiry_timestamp_seconds", JOB, 29 * DAY),
        severity="critical",
        with_severities=("warning",),
        after="90m",
    ),
    Case(
        "SekishoCaCertificateEnding",
        gauge("sekisho_ca_certificate_expiry_timestamp_seconds", JOB, 30 * DAY),
        gauge("sekisho_ca_certificate_expiry_timestamp_seconds", JOB, 365 * DAY),
        after="90m",
    ),
    Case(
        "SekishoClusterUnreachable",
        condition("Reachable", 0),
        condition("Reachable", 1) | condition("AgentReady", 0),
        labels=IN_CLUSTER,
        severity="critical",
    ),
    Case(
        "SekishoClusterRejectsCredentials",
        condition("Authenticated", 0) | condition("CredentialReadable", 1),
        condition("Authenticated", 1) | condition("CredentialReadable", 1),
        labels=IN_CLUSTER,
        severity="critical",
    ),
    Case(
        "SekishoAgentNotReady",
        condition("AgentReady", 0),
        condition("AgentReady", 1),
        labels=IN_CLUSTER,
    ),
    Case(
        "SekishoControllerNotSynced",
        gauge("sekisho_controller_synced", CLUSTER, 0),
        gauge("sekisho_controller_synced", CLUSTER, 1),
        labels=IN_CLUSTER,
    ),
    Case(
        "SekishoControllerQueueOld",
        {f"sekisho_controller_queue_age_seconds{{{CLUSTER}}}": growing(60)},
        gauge("sekisho_controller_queue_age_seconds", CLUSTER, 5),
        labels=IN_CLUSTER,
    ),
    Case(
        "SekishoLeaderMissing",
        gauge("sekisho_upstream_host_healthy", f'{CLUSTER},host="10.0.0.1:6443"', 1),
        gauge("sekisho_upstream_host_healthy", f'{CLUSTER},host="10.0.0.1:6443"', 1)
        | gauge("sekisho_controller_leader", f'{JOB},instance="b:9443",cluster="prod"', 1),
        labels=IN_CLUSTER,
    ),
    Case(
        "SekishoClusterCredentialEnding",
        credential("cluster_token", 5),
        credential("cluster_token", 0.1)
        | {RENEWAL: on("80000+0")}
        | credential("cluster_certificate", 100)
        | credential("api_server_certificate", 5),
        labels=IN_CLUSTER | {"kind": "cluster_token"},
        after="90m",
    ),
    Case(
        "SekishoClusterTokenNotRenewed",
        {RENEWAL: on("60+0")},
        {RENEWAL: on("86400+0")},
        labels=IN_CLUSTER | {"kind": "cluster_token"},
        severity="critical",
    ),
    Case(
        "SekishoProviderDown",
        gauge("sekisho_provider_up", f'{JOB},{INSTANCE},provider="corp"', 0),
        gauge("sekisho_provider_up", f'{JOB},{INSTANCE},provider="corp"', 1),
        labels=AT_PROVIDER,
        severity="critical",
    ),
    Case("SekishoSignInFailures", sign_ins(1, 20), sign_ins(20, 20), labels=AT_PROVIDER),
    Case(
        "SekishoIdentitiesNotRefreshed",
        {f'sekisho_identities_not_refreshed{{{JOB},{INSTANCE},provider="corp"}}': "3x500"},
        {f'sekisho_identities_not_refreshed{{{JOB},{INSTANCE},provider="corp"}}': "0x500"},
        labels=AT_PROVIDER,
        after="7h",
    ),
    Case(
        "SekishoEngineAway",
        gauge("sekisho_engine_up", f'{JOB},{INSTANCE},management="mgmt"', 0),
        gauge("sekisho_engine_up", f'{JOB},{INSTANCE},management="mgmt"', 1),
        labels={"job": "sekisho", "management": "mgmt"},
    ),
    Case(
        "SekishoOrderSlow",
        gauge("sekisho_order_slow", f'{JOB},{INSTANCE},management="mgmt"', 1),
        gauge("sekisho_order_slow", f'{JOB},{INSTANCE},management="mgmt"', 0),
        labels={"job": "sekisho", "management": "mgmt"},
    ),
]
"""One for each rule: an alert may have one of each severity."""
