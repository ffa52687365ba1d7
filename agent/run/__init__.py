"""The agent as a program: keep tunnels open, relay their streams, and report health.

* :func:`~.program.run_agent`: runs until a signal; the only part that knows the process.
* :class:`~.tunnel_set.TunnelSet`: all tunnels of this process, and how they end.
* :class:`~.slot.Slot`: keeps one tunnel open: dials, replaces, and moves to a better place.
* :class:`~.tunnel.AgentTunnel`: one tunnel, from its dial to its end.
* :mod:`~.placement`, :mod:`~.redial`: which replica is better, and when to dial again; pure.
* :mod:`~.settings`, :mod:`~.target`: what the agent was started with, and what it reads at each
  dial.
* :mod:`~.health`: the endpoints of the kubelet's probes.

A server that is away never ends the agent. May import: the other packages of ``agent``, ``config``.
"""
