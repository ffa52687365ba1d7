"""Tunnels of agents at this process and at others, and the way to a cluster through them.

* :class:`~.agent_tunnel.AgentTunnel`: the server's end of one tunnel, with its control stream.
* :class:`~.answers.Answers`: whether its agent answers.
* :class:`~.directory.TunnelDirectory`: all tunnels by cluster, and each cluster's *dialer*
  (:mod:`config.dialing`), which opens streams in them.
* :class:`~.local_tunnels.LocalTunnels`: the tunnels of this process.
* :class:`~.remote_tunnels.RemoteTunnels`: what the store says of tunnels at other replicas. A
  :class:`~.remote_tunnels.RemoteDialer` connects through those: :class:`~.peer_client.PeerClient`
  to a :class:`~.peer_server.PeerServer` at the other replica.
* :class:`~.suspension.Suspensions`: tunnels of frozen agents are used last.
* :class:`~.announcer.Announcer`: keeps the store's rows of this process's tunnels.
* :class:`~.revocation.TunnelRevocation`: ends tunnels whose token or cluster is gone.

May import: ``agent``, ``store``, ``config``, ``management.backoff``.
"""
