"""Parts of the API that this engine does not serve: each answers with a clear error.

Swarm answers as an engine outside any swarm does; plugins and BuildKit's protocols as not
supported.
"""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.operations import Incoming, Json, Outcome, Routes
from wharfie.api.services import Context
from wharfie.model.errors import NotSupported, Unavailable

routes = Routes()
_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to '
    "connect this node to swarm and try again."
)


class Unserved(Struct, frozen=True):
    """A request that is refused; `what` names the feature."""

    what: str


def _refuse(method: str, pattern: str, what: str) -> None:
    def decode(incoming: Incoming) -> Unserved:  # noqa: ARG001 - the form of every decoder
        return Unserved(what)

    @routes.add(method, pattern, decode)
    def refuse(context: Context, command: Unserved) -> Outcome:  # noqa: ARG001 - as above
        raise NotSupported(f"{command.what} is not supported by this engine yet")


def _swarm(method: str, pattern: str) -> None:
    def decode(incoming: Incoming) -> Unserved:  # noqa: ARG001 - the form of every decoder
        return Unserved("swarm")

    @routes.add(method, pattern, decode)
    def refuse(context: Context, command: Unserved) -> Outcome:  # noqa: ARG001 - as above
        raise Unavailable(_SWARM)


for _noun in ("services", "tasks", "nodes", "secrets", "configs"):
    _swarm("GET", f"/{_noun}")
    _swarm("POST", f"/{_noun}/create")
    _swarm("GET", f"/{_noun}/{{ref:.*}}")
    _swarm("POST", f"/{_noun}/{{ref:.*}}/update")
    _swarm("DELETE", f"/{_noun}/{{ref:.*}}")
for _method, _path in (("GET", ""), ("POST", "/leave"), ("POST", "/update"), ("GET", "/unlockkey")):
    _swarm(_method, f"/swarm{_path}")
for _path in ("init", "join", "unlock"):
    _refuse("POST", f"/swarm/{_path}", "swarm mode")

_refuse("POST", "/session", "BuildKit's session protocol")
_refuse("POST", "/grpc", "BuildKit's gRPC protocol")
_refuse("PUT", "/volumes/{ref:.*}", "updating cluster volumes")
for _method, _path in (
    ("GET", "/privileges"),
    ("POST", "/pull"),
    ("POST", "/create"),
    ("GET", "/{ref:.*}/json"),
    ("POST", "/{ref:.*}/enable"),
    ("POST", "/{ref:.*}/disable"),
    ("POST", "/{ref:.*}/upgrade"),
    ("POST", "/{ref:.*}/push"),
    ("POST", "/{ref:.*}/set"),
    ("DELETE", "/{ref:.*}"),
):
    _refuse(_method, f"/plugins{_path}", "managing plugins")


@routes.add("GET", "/plugins", lambda incoming: Unserved(incoming.query.text("filters")))
def plugins(context: Context, command: Unserved) -> Outcome:  # noqa: ARG001 - as above
    """PluginList: there never are any."""
    return Json([])
