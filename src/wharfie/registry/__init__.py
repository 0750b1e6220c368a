"""OCI distribution, both ends of it: `client/` asks registries, the rest is a registry.

Nothing here knows the engine, its daemon or its API: `wharfie-registry` runs without them.
"""
