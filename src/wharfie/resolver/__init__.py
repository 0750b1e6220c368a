"""The embedded name server: a process of its own that outlives the daemon.

It answers on 127.0.0.11 inside containers' network namespaces, through sockets the daemon opened
there and handed over, and passes on what it does not know.
"""
