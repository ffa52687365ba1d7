"""Run all checks: of the configuration first, and then of what it describes."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from config.problems import ConfigError
from management.identity.provider_instance import ProviderSpec
from proxy.doctor.certificates import check_certificates
from proxy.doctor.clusters import check_clusters
from proxy.doctor.findings import Finding, error, ok, skipped
from proxy.doctor.machine import check_machine
from proxy.doctor.names import check_names, hosts_in
from proxy.doctor.providers import check_providers, specs_of
from proxy.doctor.running import NotRunning, scrape
from proxy.doctor.stored import check_clock, check_sealed, open_for_reading
from proxy.startup.configuration import LoadedConfig, load_config
from proxy.startup.providers import configured_specs, create_provider_registry
from store.database import SqlStore
from store.errors import StoreError
from store.locations import locate
from store.order_records import ManagementCluster
from store.records import Cluster, ClusterStatus


@dataclass(slots=True)
class Examination:
    """The findings, and what was read for them. ``loaded`` is None without a valid configuration.

    ``metrics`` is empty if no server runs here.
    """

    findings: list[Finding] = field(default_factory=list)
    loaded: LoadedConfig | None = None
    specs: Sequence[ProviderSpec] = ()
    clusters: Sequence[Cluster] = ()
    statuses: Mapping[str, ClusterStatus] = field(default_factory=dict)
    managements: Sequence[ManagementCluster] = ()
    metrics: str = field(default="", repr=False)


async def examine(config_file: str | None, environment: Mapping[str, str]) -> Examination:
    """Run all checks. Nothing is changed, and problems are findings, not exceptions."""
    made = Examination()
    findings = made.findings
    try:
        made.loaded = load_config(config_file, environment)
    except ConfigError as exc:
        for one in exc.problems:
            subject = " ".join(part for part in (one.place, one.key) if part)
            findings.append(error("configuration", subject, one.message, "correct the setting"))
        return made
    settings = made.loaded.settings
    findings.append(ok("configuration", made.loaded.file or "defaults", "is valid"))
    findings += check_machine(settings)
    findings += check_certificates(settings)
    async with AsyncExitStack() as stack:
        store = await open_for_reading(stack, settings, findings)
        if store is not None:
            try:
                await _examine_store(made, made.loaded, store)
            except StoreError as exc:
                findings.append(error("store", "records", str(exc), "see docs/store.md"))
            except Exception as exc:  # A damaged row may have any content.
                message = f"cannot be read: {type(exc).__name__}"
                findings.append(
                    error("store", "records", message, "restore a backup, or report it")
                )
    own = urlsplit(settings.external_url).hostname or ""
    names = {"external_url": [own]} | {
        f"provider {one.name}": hosts_in(one.settings) for one in made.specs if one.enabled
    }
    if settings.traces.endpoint:
        names["traces.endpoint"] = [urlsplit(settings.traces.endpoint).hostname or ""]
    for cluster in made.clusters:
        if cluster.reach == "direct":
            hosts = [urlsplit(server).hostname or "" for server in cluster.servers]
            names[f"cluster {cluster.name}"] = [one for one in hosts if one]
    findings += await check_names(names, own)
    try:
        made.metrics = await scrape(settings)
        findings.append(ok("server", str(settings.metrics.listen), "runs and reports metrics"))
    except NotRunning as exc:
        findings.append(skipped("server", str(settings.metrics.listen), f"not running here: {exc}"))
    return made


async def _examine_store(made: Examination, loaded: LoadedConfig, store: SqlStore) -> None:
    findings = made.findings
    kind = locate(loaded.settings.store_url).kind
    findings += [one async for one in check_clock(store, kind)]
    made.clusters = await store.clusters.list_all()
    made.statuses = await store.fleet.statuses()
    stored = await store.providers.list_all()
    made.managements = await store.management_clusters.list_all()
    names = {one.id: one.name for one in made.clusters}
    findings += check_sealed(await store.check_sealed_values(), names)
    registry = create_provider_registry(loaded, store)
    made.specs = list(specs_of(registry, configured_specs(loaded), stored, findings))
    findings += await check_providers(registry, made.specs)
    findings += await check_clusters(made.clusters, made.statuses)
