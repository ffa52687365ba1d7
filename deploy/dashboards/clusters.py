"""Dashboard of clusters, as their leading replicas observe them."""

from panels import Dashboard, Panel
from queries import CLUSTER, OF_CLUSTERS, REACHABLE, days_left

CLUSTERS = Dashboard(
    "sekisho-clusters",
    "Sekisho / Clusters",
    (
        Panel(
            "Conditions that do not hold",
            {f"min by (cluster, condition) (sekisho_cluster_condition{{{CLUSTER}}}) == 0": ""},
            "sekisho cluster show NAME has the reasons.",
            kind="table",
        ),
        Panel(
            "Versions",
            {f"group by (cluster, version) (sekisho_cluster_info{{{CLUSTER}}})": ""},
            "Kubernetes' version of each cluster.",
            kind="table",
        ),
        Panel(
            "Reachable",
            {
                f"min by (cluster) (sekisho_cluster_condition{{{CLUSTER},{REACHABLE}}})": (
                    "{{cluster}}"
                )
            },
            "1: the API servers respond.",
        ),
        Panel(
            "Healthy API servers",
            {
                f"min by (cluster, host) (sekisho_upstream_host_healthy{{{CLUSTER}}})": (
                    "{{cluster}} {{host}}"
                )
            },
            "1: gets requests. 0: ejected for a while.",
        ),
        Panel(
            "Nodes",
            {
                f"sum by (cluster, ready) (sekisho_cluster_nodes{{{CLUSTER}}})": (
                    "{{cluster}} ready: {{ready}}"
                )
            },
            "Nodes by readiness.",
        ),
        Panel(
            "CPU of nodes",
            {
                f"sum by (cluster) (sekisho_cluster_used_cpu_cores{{{CLUSTER}}}) / "
                f"sum by (cluster) (sekisho_cluster_allocatable_cpu_cores{{{CLUSTER}}})": (
                    "{{cluster}}"
                )
            },
            "The part in use of what nodes have for pods, by metrics-server.",
            "percentunit",
        ),
        Panel(
            "Memory of nodes",
            {
                f"sum by (cluster) (sekisho_cluster_used_memory_bytes{{{CLUSTER}}}) / "
                f"sum by (cluster) (sekisho_cluster_allocatable_memory_bytes{{{CLUSTER}}})": (
                    "{{cluster}}"
                )
            },
            "The part in use of what nodes have for pods, by metrics-server.",
            "percentunit",
        ),
        Panel(
            "Warnings",
            {f"max by (cluster) (sekisho_cluster_warnings{{{CLUSTER}}})": "{{cluster}}"},
            "Warnings among the newest events.",
        ),
        Panel(
            "Ends of certificates and tokens",
            {
                days_left(
                    "sekisho_cluster_credential_expiry_timestamp_seconds", CLUSTER, "cluster, kind"
                ): "{{cluster}} {{kind}}"
            },
            "Time until they end. Sekisho renews its tokens when a third is left.",
            "s",
        ),
        Panel(
            "Deprecated APIs in use",
            {
                f"max by (cluster, removed_next) (sekisho_cluster_deprecated_apis{{{CLUSTER}}})": (
                    "{{cluster}} removed next: {{removed_next}}"
                )
            },
            "APIs that clients used within a day. The cluster's page names them.",
        ),
        Panel(
            "Tunnels of agents",
            {f"sum by (cluster) (sekisho_tunnels{{{CLUSTER}}})": "{{cluster}}"},
            "Each agent keeps two.",
        ),
        Panel(
            "Round-trip time of tunnels",
            {f"max by (cluster) (sekisho_tunnel_rtt_seconds{{{CLUSTER}}})": "{{cluster}}"},
            "The longest of a cluster.",
            "s",
        ),
    ),
    OF_CLUSTERS,
)
