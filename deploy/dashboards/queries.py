"""Labels and queries that several dashboards share."""

JOB = 'job=~"$job"'
CLUSTER = f'{JOB},cluster=~"$cluster"'
PROVIDER = f'{JOB},provider=~"$provider"'
FAILED = 'code=~"5.."'
REACHABLE = 'condition="Reachable"'
RATE = "[$__rate_interval]"
OF_JOB = {"job": "sekisho_build_info"}
OF_CLUSTERS = OF_JOB | {"cluster": "sekisho_upstream_host_healthy"}


def rate(metric: str, labels: str = JOB, by: str = "") -> str:
    """Return the rate of a counter, summed ``by`` labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}{RATE}))"


def quantile(part: float, metric: str, labels: str, by: str = "") -> str:
    """Return a quantile of a histogram, ``by`` labels."""
    labels_of_sum = f"{by}, le" if by else "le"
    return f"histogram_quantile({part}, {rate(f'{metric}_bucket', labels, labels_of_sum)})"


def latencies(metric: str, labels: str) -> dict[str, str]:
    """Return the median and two high quantiles of a histogram."""
    return {quantile(part, metric, labels): f"{part * 100:g} %" for part in (0.5, 0.9, 0.99)}


def failing(labels: str) -> str:
    """Return the part of requests that fail; 0 where none does."""
    failed = rate("sekisho_requests_total", f"{labels},{FAILED}")
    return f"({failed} or vector(0)) / {rate('sekisho_requests_total', labels)}"


def lag() -> str:
    """Return the mean lag of the event loop of each instance."""
    name = "sekisho_event_loop_lag_seconds"
    return f"{rate(f'{name}_sum', by='instance')} / {rate(f'{name}_count', by='instance')}"


def days_left(metric: str, labels: str, by: str) -> str:
    """Return the seconds until something ends."""
    return f"min by ({by}) ({metric}{{{labels}}}) - time()"
