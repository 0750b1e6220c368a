"""The parameters of `POST /build`. Source: Engine API 1.51, ImageBuild; moby, newImageBuildOptions.

Numbers that are none count as absent, as in Docker; JSON that is none is refused in its words.
"""

from __future__ import annotations

import msgspec

from wharfie.api.bodies import convert
from wharfie.api.query import Query
from wharfie.build.request import BuildRequest, Output
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import InvalidPlatform, parse_platform
from wharfie.formats.reference import InvalidReference, parse_reference
from wharfie.formats.session import REMOTE
from wharfie.model.build.plan import HistoryForm
from wharfie.model.container import HostConfig, Ulimit
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.registry import Credentials

_VERSIONS = frozenset({"", "1", "2"})


class _Outputs(msgspec.Struct):
    outputs: list[_Output]


class _Output(msgspec.Struct, rename="pascal"):
    type: str = ""
    attrs: dict[str, str] = msgspec.field(default_factory=dict)


class _Limits(msgspec.Struct):
    ulimits: list[Ulimit]


def build_request(query: Query, credentials: dict[str, Credentials]) -> BuildRequest:
    """Read the parameters.

    Raises:
        InvalidArgument: a value that is none.
    """
    version = query.text("version")
    if version not in _VERSIONS:
        raise InvalidArgument(f'invalid version "{version}"')
    if version == "2":
        raise NotSupported("BuildKit's build protocol is not supported by this engine yet")
    arguments = _map(query, "buildargs", "error reading build args")
    return BuildRequest(
        dockerfile=query.text("dockerfile"),
        remote=query.text("remote"),
        session=query.text("session"),
        id=query.text("buildid"),
        tags=_references([text for text in query.texts("t") if text]),
        target=query.text("target"),
        arguments=arguments,
        labels={
            name: value or ""
            for name, value in _map(query, "labels", "error reading labels").items()
        },
        platform=_platform(query.text("platform")),
        contexts={
            name: value or ""
            for name, value in _map(query, "contexts", "error reading contexts").items()
        },
        no_cache=_no_cache(query),
        pull=query.flag("pull"),
        quiet=query.flag("q"),
        removes=query.flag("forcerm") or query.flag("rm", default=True) or not query.text("rm"),
        squash=query.flag("squash"),
        cache_from=_references(_list(query, "cachefrom", "error reading cache-from")),
        network=query.text("networkmode") or "default",
        host=_host(query),
        entitlements=[name for name in query.text("entitlements").split(",") if name],
        outputs=_outputs(query),
        check=query.text("check"),
        credentials=credentials,
        inline_cache=arguments.get("BUILDKIT_INLINE_CACHE") == "1",
        epoch=_epoch(arguments.get("SOURCE_DATE_EPOCH")),
        history=(
            HistoryForm.BUILDKIT if query.text("progress") == "trace" else HistoryForm.CLASSIC
        ),
    )


def has_uploaded_context(request: BuildRequest) -> bool:
    """Tell whether the context is the body of the request."""
    return request.remote in ("", "-")


def comes_by_session(request: BuildRequest) -> bool:
    """Tell whether the context is lent by a session of ours."""
    return request.remote == REMOTE


def _host(query: Query) -> HostConfig:
    return HostConfig(
        memory=_number(query, "memory"),
        memory_swap=_number(query, "memswap"),
        cpu_shares=_number(query, "cpushares"),
        cpu_period=_number(query, "cpuperiod"),
        cpu_quota=_number(query, "cpuquota"),
        cpuset_cpus=query.text("cpusetcpus"),
        cpuset_mems=query.text("cpusetmems"),
        shm_size=query.integer("shmsize") or 0,
        cgroup_parent=query.text("cgroupparent"),
        isolation=query.text("isolation"),
        extra_hosts=[one for text in query.texts("extrahosts") for one in _hosts(text)] or None,
        security_opt=_list(query, "securityopt", "error reading security options") or None,
        ulimits=_ulimits(query),
    )


def _hosts(text: str) -> list[str]:
    """Older clients send one JSON list or a line of several."""
    if text.startswith("["):
        return _strings(text, "error reading extra hosts")
    return [one for one in text.split(",") if one]


def _number(query: Query, name: str) -> int:
    try:
        return int(query.text(name))
    except ValueError:
        return 0


def _no_cache(query: Query) -> list[str] | None:
    if query.flag("nocache"):
        return []
    stages = [name for name in query.text("nocachefilter").split(",") if name]
    return stages or None


def _references(texts: list[str]) -> list[str]:
    """Canonical forms, each once, in order."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            reference = parse_reference(text)
        except InvalidReference as error:
            raise InvalidArgument(str(error)) from None
        if reference.digest:
            raise InvalidArgument("build tag cannot contain a digest")
        found[str(reference.tagged())] = None
    return list(found)


def _platform(text: str) -> Platform | None:
    if not text:
        return None
    try:
        # What a platform leaves out is the host's; the service knows it.
        return parse_platform(text, Platform(os="linux", architecture=""))
    except InvalidPlatform as error:
        raise InvalidArgument(str(error)) from None


def _ulimits(query: Query) -> list[Ulimit] | None:
    text = query.text("ulimits")
    if not text:
        return None
    value = _decode(text, "error reading ulimit settings")
    return convert({"ulimits": value or []}, _Limits).ulimits or None


def _outputs(query: Query) -> list[Output]:
    text = query.text("outputs")
    if not text:
        return []
    value = _decode(text, "invalid outputs specified")
    found = convert({"outputs": value or []}, _Outputs).outputs
    return [Output(type=one.type, attributes=one.attrs) for one in found]


def _epoch(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InvalidArgument(f"invalid SOURCE_DATE_EPOCH: {text}")
    return int(text)


def _map(query: Query, name: str, problem: str) -> dict[str, str | None]:
    text = query.text(name)
    value = _decode(text, problem) if text else None
    if value is None:
        return {}
    if not isinstance(value, dict) or any(
        not isinstance(one, str | None) for one in value.values()
    ):
        raise InvalidArgument(f"{problem}: expected an object of strings")
    return value


def _list(query: Query, name: str, problem: str) -> list[str]:
    text = query.text(name)
    return _strings(text, problem) if text else []


def _strings(text: str, problem: str) -> list[str]:
    value = _decode(text, problem)
    if value is None:
        return []
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise InvalidArgument(f"{problem}: expected a list of strings")
    return value


def _decode(text: str, problem: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        words = "unexpected end of JSON input"
        first = text.lstrip()[:1]
        if first and first not in '{["tfn-0123456789':
            words = f"invalid character '{first}' looking for beginning of value"
        raise InvalidArgument(f"{problem}: {words}") from None
    return value
