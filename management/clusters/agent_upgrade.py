"""Give an agent the image of this server's version.

The Deployment replaces its pods one by one: it creates a new pod, and deletes an old one when the
new one has been connected for ten seconds. A new image that cannot connect leaves the old pods.

An annotation has the image that Sekisho wrote. If the container has another one, or the annotation
does not exist, the image is the operator's, and stays.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from config.loggers import get_logger
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiConflict, ApiForbidden, ApiNotFound
from management.kubernetes.manifests import (
    AGENT,
    AGENT_IMAGE_ANNOTATION,
    NAMESPACE,
    Manifest,
    collection_path,
)
from management.kubernetes.validation import mapping, mappings

PATH = f"{collection_path('Deployment', NAMESPACE)}/{AGENT}"

_LOG = get_logger(__name__)


class Upgrade(Enum):
    """The state of an agent's upgrade, for agents that are older than the server."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    FAILED = "failed"
    SAME_IMAGE = "same image"
    NO_IMAGE = "no image"
    OWN_IMAGE = "own image"
    FORBIDDEN = "forbidden"
    NO_DEPLOYMENT = "no deployment"


async def upgrade_agent(client: ClusterClient, image: str) -> Upgrade:
    """Write the image into the agent's Deployment, if it is known, and Sekisho's to change.

    Raises:
        ClusterApiError: the cluster does not respond, or refuses the change.
    """
    try:
        deployment = await client.get_object(PATH)
        state = _state(deployment, image)
        if state is Upgrade.SCHEDULED:
            await client.patch(PATH, _change(deployment, image))
            _LOG.info("agent upgraded", server=client.endpoint.servers[0], image=image)
            return Upgrade.RUNNING
    except ApiForbidden as exc:
        if exc.status != 403:
            raise
        return Upgrade.FORBIDDEN
    except ApiNotFound:
        return Upgrade.NO_DEPLOYMENT
    except ApiConflict:
        return Upgrade.SCHEDULED  # It was changed at the same time.
    return state


def _state(deployment: Manifest, image: str) -> Upgrade:
    if not image:
        return Upgrade.NO_IMAGE
    present = _image(deployment)
    written = mapping(mapping(deployment.get("metadata")).get("annotations"))
    if present is None or written.get(AGENT_IMAGE_ANNOTATION) != present:
        return Upgrade.OWN_IMAGE
    if present != image:
        return Upgrade.SCHEDULED
    status = mapping(deployment.get("status"))
    if any(_is_stuck(one) for one in mappings(status.get("conditions"))):
        return Upgrade.FAILED
    wanted = mapping(deployment.get("spec")).get("replicas")
    done = status.get("updatedReplicas") == wanted == status.get("replicas")
    return Upgrade.SAME_IMAGE if done else Upgrade.RUNNING


def _is_stuck(condition: Mapping[str, Any]) -> bool:
    return condition.get("reason") == "ProgressDeadlineExceeded"


def _containers(deployment: Manifest) -> list[dict[str, Any]]:
    template = mapping(mapping(deployment.get("spec")).get("template"))
    return [dict(one) for one in mappings(mapping(template.get("spec")).get("containers"))]


def _image(deployment: Manifest) -> str | None:
    images = [one.get("image") for one in _containers(deployment) if one.get("name") == "agent"]
    return images[0] if images and isinstance(images[0], str) else None


def _change(deployment: Manifest, image: str) -> dict[str, Any]:
    """Return the merge patch, which only applies to the Deployment as it was read."""
    containers = [
        one | {"image": image} if one.get("name") == "agent" else one
        for one in _containers(deployment)
    ]
    metadata = {
        "resourceVersion": mapping(deployment.get("metadata")).get("resourceVersion"),
        "annotations": {AGENT_IMAGE_ANNOTATION: image},
    }
    return {"metadata": metadata, "spec": {"template": {"spec": {"containers": containers}}}}
