"""The address of a cluster that does not respond."""

UNREACHABLE = "https://127.0.0.1:1"
