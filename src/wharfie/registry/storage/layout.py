"""Where things lie: keys of the byte store. The tree is that of Docker's registry.

    docker/registry/v2/
    ├── blobs/<algorithm>/<2 hex>/<hex>/data
    └── repositories/<name>/
        ├── _layers/<algorithm>/<hex>/link           this repository may have this blob
        ├── _manifests/
        │   ├── revisions/<algorithm>/<hex>/link     and this manifest
        │   │                           /released    its last tag was deleted by name
        │   │                           /type        its media type, where it does not say itself
        │   └── tags/<tag>/
        │       ├── current/link                     what the tag is
        │       └── index/<algorithm>/<hex>/link     what it was
        ├── _referrers/<algorithm>/<hex>/<algorithm>/<hex>/descriptor    who refers to a subject
        └── _uploads/<id>/data                       what came so far
    wharfie/quarantine/<algorithm>/<hex>             what scrub found broken

A link holds the digest as text. So a directory of Docker's registry is served as it is, and ours
by it: `released`, `type`, `_referrers` and `wharfie/` are all that it does not know.
Source: distribution, registry/storage/paths.go.
"""

from __future__ import annotations

from wharfie.formats.digest import Digest

BASE = "docker/registry/v2"
BLOBS = f"{BASE}/blobs"
REPOSITORIES = f"{BASE}/repositories"
QUARANTINE = "wharfie/quarantine"


def split(digest: str) -> tuple[str, str]:
    """Algorithm and hex of a digest."""
    algorithm, _, encoded = digest.partition(":")
    return algorithm, encoded


def joined(algorithm: str, encoded: str) -> Digest:
    """The digest of two names of folders."""
    return Digest(f"{algorithm}:{encoded}")


def blob(digest: str) -> str:
    """A blob's bytes."""
    algorithm, encoded = split(digest)
    return f"{BLOBS}/{algorithm}/{encoded[:2]}/{encoded}/data"


def quarantined(digest: str) -> str:
    """Where broken bytes go."""
    return f"{QUARANTINE}/{digest.replace(':', '/')}"


def repository(name: str) -> str:
    """Everything of a repository, and of those below it."""
    return f"{REPOSITORIES}/{name}"


def layers(name: str) -> str:
    """Folder of a repository's links to blobs."""
    return f"{REPOSITORIES}/{name}/_layers"


def layer(name: str, digest: str) -> str:
    """A repository's link to a blob."""
    return f"{REPOSITORIES}/{name}/_layers/{digest.replace(':', '/')}/link"


def manifests(name: str) -> str:
    """Folder of a repository's manifests and tags."""
    return f"{REPOSITORIES}/{name}/_manifests"


def revisions(name: str) -> str:
    """Folder of a repository's manifests."""
    return f"{REPOSITORIES}/{name}/_manifests/revisions"


def revision(name: str, digest: str) -> str:
    """Folder of one manifest."""
    return f"{REPOSITORIES}/{name}/_manifests/revisions/{digest.replace(':', '/')}"


def tags(name: str) -> str:
    """Folder of a repository's tags."""
    return f"{REPOSITORIES}/{name}/_manifests/tags"


def tag(name: str, word: str) -> str:
    """Folder of one tag."""
    return f"{REPOSITORIES}/{name}/_manifests/tags/{word}"


def tag_current(name: str, word: str) -> str:
    """The link that says what a tag is."""
    return f"{REPOSITORIES}/{name}/_manifests/tags/{word}/current/link"


def tag_index(name: str, word: str, digest: str) -> str:
    """The link that says what a tag was once."""
    return f"{tag(name, word)}/index/{digest.replace(':', '/')}/link"


def referrers(name: str, subject: str) -> str:
    """Folder of those that refer to a manifest."""
    return f"{REPOSITORIES}/{name}/_referrers/{subject.replace(':', '/')}"


def referrer(name: str, subject: str, digest: str) -> str:
    """One that refers to a manifest."""
    return f"{referrers(name, subject)}/{digest.replace(':', '/')}/descriptor"


def uploads(name: str) -> str:
    """Folder of a repository's unfinished uploads."""
    return f"{REPOSITORIES}/{name}/_uploads"


def upload(name: str, upload_id: str) -> str:
    """Folder of one upload."""
    return f"{REPOSITORIES}/{name}/_uploads/{upload_id}"
