"""The registry as a cache of others: what is asked for is fetched, verified, stored, served.

`upstreams.py` is the port the server asks, `remote.py` one upstream with its own credentials,
`freshness.py` what was asked a moment ago, `downloads.py` blobs that arrive once for all who
want them.
"""

from wharfie.registry.cache.upstreams import Cache

__all__ = ["Cache"]
