"""Connections to names with several addresses, and only to addresses that a policy allows.

``dialed_connector`` has those that a cluster's agent makes instead.

May import: ``config``.
"""
