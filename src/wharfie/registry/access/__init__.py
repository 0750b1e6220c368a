"""Who may do what at the registry: accounts, tokens of our own and of others, rules, limits.

A request is identified (htpasswd, bearer token, client certificate, nobody), then either its
token or the rules say what it may do to which repository. What is not allowed is refused.
"""

from wharfie.registry.access.open import OpenAccess, OpenedAccess, open_access

__all__ = ["OpenAccess", "OpenedAccess", "open_access"]
