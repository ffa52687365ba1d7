"""The ``sekisho`` command: users' commands, which speak to a server, and those of the server.

:mod:`proxy.cli.main` is the entry point; it imports a command when it runs. Only ``admin``,
``serve``, ``demo``, ``check_config`` and ``register`` may load the server, and ``agent`` loads
:mod:`agent.run`: the commands of
:mod:`proxy.cli.apply`, :mod:`proxy.cli.client`, :mod:`proxy.cli.http`, :mod:`proxy.cli.output` and
:mod:`proxy.cli.verbs` also run on machines without it.
"""
