"""Commands for a user's own machine: ``login``, ``logout`` and the credential plugin of kubectl.

May import: ``proxy.cli.common``, ``proxy.cli.durations``, ``proxy.cli.http``, ``proxy.files``,
``agent.http``, ``config``. It must never load the server, because kubectl starts
``sekisho credential`` for every call.
"""
