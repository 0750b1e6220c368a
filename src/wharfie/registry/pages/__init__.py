"""Pages to look at with a browser: repositories, tags, manifests, sizes, referrers.

Made on the server, without scripts and without anything from elsewhere; nothing can be changed
here. Whoever looks sees what he may pull.
"""

from wharfie.registry.pages.browsing import Browsing

__all__ = ["Browsing"]
