"""The process that holds every container's stdio, terminal, log and exit status.

One small epoll loop that outlives the daemon; `protocol` is what the two say to each other,
`task` what happens to one container, `handover` and `upgrade` how a successor takes over.
Only `protocol` is for others (and `server.grow_buffers`, for their end of the connection).
"""
