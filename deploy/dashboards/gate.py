"""Dashboard of requests through the gate."""

from panels import Dashboard, Panel
from queries import CLUSTER, FAILED, JOB, OF_CLUSTERS, quantile, rate

GATE = Dashboard(
    "sekisho-gate",
    "Sekisho / Gate",
    (
        Panel(
            "Requests by cluster",
            {rate("sekisho_requests_total", CLUSTER, "cluster"): "{{cluster}}"},
            "Requests that name a cluster which the caller may enter.",
            "reqps",
        ),
        Panel(
            "Requests by verb",
            {rate("sekisho_requests_total", CLUSTER, "verb"): "{{verb}}"},
            "Kubernetes' verbs, or the method of requests that are not for a resource.",
            "reqps",
        ),
        Panel(
            "Failing requests",
            {
                rate("sekisho_requests_total", f"{CLUSTER},{FAILED}", "cluster, code"): (
                    "{{cluster}} {{code}}"
                )
            },
            "Requests with a code of 500 or more.",
            "reqps",
        ),
        Panel(
            "Upstream errors",
            {
                rate("sekisho_upstream_errors_total", CLUSTER, "cluster, kind"): (
                    "{{cluster}} {{kind}}"
                )
            },
            "Why no response came. The kinds are in docs/operations.md.",
            "ops",
        ),
        Panel(
            "Duration of reads",
            {
                quantile(
                    0.99, "sekisho_request_duration_seconds", f'{CLUSTER},verb="get"', "cluster"
                ): ("{{cluster}}, 99 %")
            },
            "Reads of single objects.",
            "s",
        ),
        Panel(
            "Sent to clients",
            {rate("sekisho_sent_bytes_total", CLUSTER, "cluster"): "{{cluster}}"},
            "Bytes of response bodies.",
            "Bps",
        ),
        Panel(
            "In flight",
            {f"sum by (instance) (sekisho_requests_in_flight{{{JOB}}})": "{{instance}}"},
            "Running requests, watches and upgrades included.",
        ),
        Panel(
            "Watches and upgrades",
            {
                f"sum by (cluster) (sekisho_open_watches{{{CLUSTER}}})": "{{cluster}} watches",
                f"sum by (cluster) (sekisho_open_upgrades{{{CLUSTER}}})": "{{cluster}} upgrades",
            },
            "Upgrades are exec, attach, and port-forward.",
        ),
        Panel(
            "Authentications",
            {rate("sekisho_authentications_total", by="outcome"): "{{outcome}}"},
            "Checks of credentials. unavailable: the store could not be read.",
            "ops",
        ),
        Panel(
            "Rejected by limits",
            {rate("sekisho_rejected_requests_total", by="scope"): "{{scope}}"},
            "Requests refused with 429, or 503 because of overload.",
            "reqps",
        ),
        Panel(
            "Connections of clients",
            {
                f'sum(sekisho_client_connections{{{JOB},known="true"}})': "with a credential",
                f'sum(sekisho_client_connections{{{JOB},known="false"}})': "without",
            },
            "By whether a request on them had a valid credential.",
        ),
        Panel(
            "Refused connections",
            {rate("sekisho_refused_connections_total", by="reason"): "{{reason}}"},
            "network, reserve, total: limits. system: no file descriptor was left.",
            "ops",
        ),
        Panel(
            "Token cache",
            {
                rate("sekisho_token_cache_hits_total"): "hits",
                rate("sekisho_token_cache_misses_total"): "misses",
            },
            "A miss reads the store once.",
            "ops",
        ),
        Panel(
            "Losses of bookkeeping",
            {
                rate("sekisho_audit_log_dropped_total"): "audit events",
                rate("sekisho_access_log_dropped_total"): "access log lines",
                rate("sekisho_token_last_used_write_failures_total"): "last uses of tokens",
            },
            "These fail no request.",
            "ops",
        ),
    ),
    OF_CLUSTERS,
)
