"""Settings of the images that run in clusters. Pure."""

from pydantic import Field

from config.section import Section
from config.text_patterns import WORD_OR_NONE


class ImageSettings(Section):
    """Images in the manifests that Sekisho makes for clusters."""

    registry: str = Field(default="", max_length=255, pattern=WORD_OR_NONE)
    """The registry, with its path, from which clusters pull ``sekisho:<version>``."""

    agent: str = Field(default="", max_length=512, pattern=WORD_OR_NONE)
    """Sekisho's image, as clusters can pull it: of agents, and of the Jobs that register clusters.
    Default: the image of this version in ``registry``. Sekisho's own image sets it to its name."""

    def agent_image(self, version: str) -> str:
        """Return the image of agents; empty if it is not known."""
        if self.agent or not self.registry:
            return self.agent
        return f"{self.registry.rstrip('/')}/sekisho:{version}"
