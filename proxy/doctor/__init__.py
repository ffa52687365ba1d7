"""Examine an installation, and collect what support needs, without secrets and without changes.

Main functions: ``examine`` returns findings, and ``write_bundle`` writes a support bundle. May
import: ``proxy.startup``, ``transport``, ``files``; ``management``, ``store``, ``config``.
"""
