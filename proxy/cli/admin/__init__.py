"""``sekisho admin …``: commands on the server's own database, for bootstrap and rescue.

They need the server's configuration, and run beside it. Only commands that set Sekisho up create a
missing database (:func:`proxy.cli.admin.database.offline_store`).
"""
