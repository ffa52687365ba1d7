"""Dashboard of the whole: what an operator looks at first."""

from panels import Dashboard, Panel, stat
from queries import JOB, OF_JOB, REACHABLE, days_left, failing, lag, latencies, quantile, rate

OVERVIEW = Dashboard(
    "sekisho-overview",
    "Sekisho / Overview",
    (
        stat(
            "Replicas", f"count(sekisho_build_info{{{JOB}}})", "Scraped processes or supervisors."
        ),
        stat(
            "Failing requests",
            failing(JOB),
            "The part of requests with a code of 500 or more, of all clusters.",
            unit="percentunit",
            red_from=0.001,
        ),
        stat(
            "Clusters unreachable",
            f"count(min by (cluster) (sekisho_cluster_condition{{{JOB},{REACHABLE}}}) == 0) "
            "or vector(0)",
            "Clusters whose API servers do not respond to their leading replica.",
            red_from=1,
        ),
        stat(
            "Providers down",
            f"count(min by (provider) (sekisho_provider_up{{{JOB}}}) == 0) or vector(0)",
            "Enabled providers that fail their checks.",
            red_from=1,
        ),
        stat(
            "Users",
            f'sum(max by (state) (sekisho_users{{{JOB},state="enabled"}}))',
            "Enabled users, counted once a minute.",
        ),
        stat(
            "Tokens in use",
            f"max(sekisho_used_tokens{{{JOB}}})",
            "Tokens and sessions that were used within a day.",
        ),
        Panel(
            "Requests",
            {rate("sekisho_requests_total", by="code"): "{{code}}"},
            "Requests by status code.",
            "reqps",
        ),
        Panel(
            "Duration",
            latencies("sekisho_request_duration_seconds", JOB),
            "From a request's header block to its response's end, without watches and upgrades.",
            "s",
        ),
        Panel(
            "Event loop lag",
            {lag(): "{{instance}}"},
            "Each request waits about that long for its turn. Above 30 ms, add workers.",
            "s",
        ),
        Panel(
            "CPU",
            {rate("process_cpu_seconds_total", by="instance"): "{{instance}}"},
            "CPU cores in use. One process uses one at most.",
        ),
        Panel(
            "Memory",
            {f"sum by (instance) (process_resident_memory_bytes{{{JOB}}})": "{{instance}}"},
            "Resident memory of all processes of an instance.",
            "bytes",
        ),
        Panel(
            "File descriptors",
            {
                f"max by (instance) (process_open_fds{{{JOB}}} / process_max_fds{{{JOB}}})": (
                    "{{instance}}"
                )
            },
            "The part of file descriptors in use. At 100 %, new connections are refused.",
            "percentunit",
        ),
        Panel(
            "Database: duration",
            {
                quantile(0.99, "sekisho_store_duration_seconds", JOB, "operation"): (
                    "{{operation}}, 99 %"
                )
            },
            "Reads and writes, from the wait for a connection to the commit.",
            "s",
        ),
        Panel(
            "Database: uses and errors",
            {
                rate("sekisho_store_duration_seconds_count", by="operation"): "{{operation}}",
                rate("sekisho_store_errors_total", by="operation"): "{{operation}}, failed",
            },
            "Errors are uses that failed because the database was not usable.",
            "ops",
        ),
        Panel(
            "Certificates",
            {
                days_left("sekisho_server_certificate_expiry_timestamp_seconds", JOB, "job"): (
                    "server"
                ),
                days_left("sekisho_ca_certificate_expiry_timestamp_seconds", JOB, "job"): "CA",
            },
            "Time until Sekisho's certificates end.",
            "s",
        ),
        Panel(
            "Versions",
            {f"count by (version, python, compiled) (sekisho_build_info{{{JOB}}})": ""},
            "Versions in use. Several during an upgrade only.",
            kind="table",
        ),
    ),
    OF_JOB,
)
