"""The decisions that can refuse a request to a cluster, by name.

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
