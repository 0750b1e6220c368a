"""`doctor`: what stands between this client and a daemon, and the command that mends it.

Each module looks at one layer and yields `Finding`s, from the name up to the API; `host` and
`exposure` look at the daemon's own machine. Nothing is changed, nothing is sent but what a client
would send. `hints` is the short form, a line after any failed command.
"""
