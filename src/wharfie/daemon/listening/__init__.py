"""Where the daemon listens and whom it lets in.

`hosts.py` reads `-H` values, `activation.py` takes systemd's sockets, `sockets.py` opens them all,
`exposure.py` refuses what gives root away unasked, `barrier.py` keeps containers out,
`hostnames.py` tells by which names the daemon is called.
"""

from wharfie.daemon.listening.barrier import container_barrier
from wharfie.daemon.listening.hostnames import origin_policy
from wharfie.daemon.listening.sockets import Listening

__all__ = ["Listening", "container_barrier", "origin_policy"]
