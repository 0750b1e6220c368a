"""`wharfie-registry`: a server of the OCI distribution specification, a program of its own.

`ports/` says what the parts ask of each other, `config/` what may be configured, `storage/` keeps
the bytes, `server/` speaks HTTP, `wiring.py` puts them together. Nothing here knows the engine.
"""
