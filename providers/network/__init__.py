"""Connections to names with several addresses, and only to addresses that a policy allows.

May import: ``config``.
"""
