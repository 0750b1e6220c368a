"""A build as a caller asks for it, whichever way it came."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.plan import HistoryForm
from wharfie.model.container import HostConfig
from wharfie.model.registry import Credentials


class Output(Struct, frozen=True, kw_only=True):
    """Where a result goes beside, or in the place of, an image: `--output`.

    Attributes:
        type: "tar" or "local" (both come as a tar by the session), "image", "cacheonly".
    """

    type: str
    attributes: dict[str, str] = field(default_factory=dict)


class BuildRequest(Struct, frozen=True, kw_only=True):
    """One build.

    Attributes:
        dockerfile: path of the Dockerfile inside the context.
        remote: where the context comes from: "" for the request's body, "client-session" for the
            session, else a URL.
        session: ID of the session that lends contexts, secrets and ssh agents; "" for none.
        id: name under which it may be cancelled; "" for none.
        tags: canonical references.
        arguments: `--build-arg`; None: named without a value.
        platform: None for this host's.
        contexts: named contexts, name to identifier.
        no_cache: None uses the cache, an empty list ignores it, else in those stages.
        pull: ask registries even for images that are here.
        quiet: tell only the image's ID, and everything when it fails.
        removes: tell that intermediate containers were removed, as they always are.
        squash: one layer above the base.
        cache_from: canonical references.
        network: of steps: "default", "host", "none", a network, "container:<ref>".
        host: limits and the like of steps.
        entitlements: "network.host", "security.insecure", "device".
        check: "" builds; "check", "outline", "targets" only tell.
        credentials: by registry.
        inline_cache: write into the image what a later `cache_from` needs.
        epoch: SOURCE_DATE_EPOCH in seconds.
        history: whose words the image's history speaks.
    """

    dockerfile: str = ""
    remote: str = ""
    session: str = ""
    id: str = ""
    tags: list[str] = field(default_factory=list)
    target: str = ""
    arguments: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    contexts: dict[str, str] = field(default_factory=dict)
    no_cache: list[str] | None = None
    pull: bool = False
    quiet: bool = False
    removes: bool = True
    squash: bool = False
    cache_from: list[str] = field(default_factory=list)
    network: str = "default"
    host: HostConfig = field(default_factory=HostConfig)
    entitlements: list[str] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    check: str = ""
    credentials: dict[str, Credentials] = field(default_factory=dict)
    inline_cache: bool = False
    epoch: int | None = None
    history: HistoryForm = HistoryForm.CLASSIC
