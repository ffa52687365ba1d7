"""Dashboard of the controllers that keep clusters in the desired state."""

from panels import Dashboard, Panel
from queries import CLUSTER, OF_CLUSTERS, rate

CONTROLLERS = Dashboard(
    "sekisho-controllers",
    "Sekisho / Controllers",
    (
        Panel(
            "Leaders",
            {f"sum by (instance) (sekisho_controller_leader{{{CLUSTER}}})": "{{instance}}"},
            "Clusters that each replica leads.",
        ),
        Panel(
            "Clusters without a leader",
            {
                f"(count(group by (cluster) (sekisho_upstream_host_healthy{{{CLUSTER}}}) unless on "
                f"(cluster) group by (cluster) (sekisho_controller_leader{{{CLUSTER}}}))) "
                "or vector(0)": "clusters"
            },
            "Nothing keeps their members and projects up to date.",
        ),
        Panel(
            "In the desired state",
            {f"min by (cluster) (sekisho_controller_synced{{{CLUSTER}}})": "{{cluster}}"},
            "0: members or projects differ. The condition RBACReady has the reason.",
        ),
        Panel(
            "Age of the oldest change",
            {
                f"max by (cluster) (sekisho_controller_queue_age_seconds{{{CLUSTER}}})": (
                    "{{cluster}}"
                )
            },
            "How long a change waits that is not in the cluster yet.",
            "s",
        ),
        Panel(
            "Calls",
            {rate("sekisho_controller_calls_total", CLUSTER, "cluster"): "{{cluster}}"},
            "Lists, watches, and writes. Near 0 at rest.",
            "ops",
        ),
        Panel(
            "Writes",
            {rate("sekisho_controller_writes_total", CLUSTER, "cluster"): "{{cluster}}"},
            "If it stays above 0, another program undoes Sekisho's changes.",
            "ops",
        ),
        Panel(
            "Failures of reads",
            {
                rate("sekisho_controller_failed_collections_total", CLUSTER, "cluster"): (
                    "{{cluster}} failed"
                ),
                rate("sekisho_controller_oversized_answers_total", CLUSTER, "cluster"): (
                    "{{cluster}} too large"
                ),
                rate("sekisho_controller_malformed_objects_total", CLUSTER, "cluster"): (
                    "{{cluster}} malformed objects"
                ),
            },
            "Lists and watches that failed, and objects that were left out.",
            "ops",
        ),
        Panel(
            "Parts that can be read",
            {
                f"min by (cluster, report) (sekisho_cluster_report_up{{{CLUSTER}}})": (
                    "{{cluster}} {{report}}"
                )
            },
            "0: status.reports of the cluster has the reason, such as a missing metrics-server.",
        ),
    ),
    OF_CLUSTERS,
)
