"""OCI distribution, both ends of it: `client/` asks registries, the rest is a registry.

The registry: `ports/` says what its parts ask of each other, `config/` what may be configured,
`storage/` keeps the bytes, `server/` speaks HTTP, `wiring.py` puts them together. Nothing here
knows the engine, its daemon or its API: `wharfie-registry` runs without them.
"""
