"""Run one built application in one process: sockets, signals, start and stop.

May import: ``proxy.app``, ``startup``, ``transport``, ``logs``, ``files``; ``config``, ``store``.
"""
