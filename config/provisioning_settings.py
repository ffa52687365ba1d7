"""Settings of clusters that are made to order. Pure."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.section import Section

Limit = Annotated[int, Field(ge=0, le=1_000_000)]


class ProvisioningLimits(Section):
    """How much may be on order. A management cluster can have limits of its own instead.

    They bind administrators as well. Adopted and released clusters do not count.
    """

    clusters_per_user: Limit = 3
    """Clusters that one user has ordered, in all management clusters."""

    workers_per_cluster: Limit = 20
    """Worker nodes of one cluster."""

    workers: Limit = 200
    """Worker nodes of all ordered clusters together."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (
            "workers_per_cluster" in self.model_fields_set
            and self.workers_per_cluster > self.workers
        ):
            raise ValueError(
                f"workers_per_cluster is {self.workers_per_cluster}, which is more than workers "
                f"({self.workers}); lower it, or raise workers"
            )
        return self


class ProvisioningSettings(Section):
    """Clusters that are made to order in management clusters."""

    limits: ProvisioningLimits = ProvisioningLimits()
