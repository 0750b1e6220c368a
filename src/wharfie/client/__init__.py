"""How a program talks to a daemon: synchronous, small, quick to start.

`endpoint` says where the daemon is, `dialing` connects (unix, tcp, tcp with TLS), `http` speaks
HTTP/1.1 over the connection, `daemon` is the Engine API's manners on top: version negotiation,
error replies, hijacked streams. Nothing is imported before it is needed.
"""
