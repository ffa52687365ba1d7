"""Who responded to a request for a cluster, and which decision refused it.

A refused request's audit event has the name of the decision, so that it can be explained later.
"""

from typing import Literal

Decision = Literal[
    "",
    "password_change",
    "cluster_entry",
    "token_cluster",
    "token_project",
    "token_read_only",
    "impersonation_unsupported",
    "impersonation",
    "identity",
    "origin",
]
"""Empty: none of these, such as a limit, or the decision of the cluster itself."""

RESPONDER = "Sekisho-Responder"
"""Header of the gate's own responses. It is dropped from responses of clusters."""

GATE = "gate"
"""The value of RESPONDER."""
