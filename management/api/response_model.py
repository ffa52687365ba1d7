"""The base of the models of responses."""

from pydantic import BaseModel, ConfigDict


class ResponseModel(BaseModel):
    """A response. Every field is declared."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
