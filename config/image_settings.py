"""Settings of the images that run in clusters. Pure."""

from pydantic import Field

from config.section import Section


class ImageSettings(Section):
    """Images in the manifests that Sekisho makes for clusters."""

    agent: str = Field(default="", max_length=512, pattern=r"^[!-~]*$")
    """Sekisho's image, as clusters can pull it: of agents, and of the Jobs that register clusters.
    Default: ``sekisho:`` and the version, for clusters into which you load that image."""
