"""`wharfie-registry mirror [OPTIONS] SOURCE [SOURCE...] DESTINATION`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import sys
from collections.abc import Sequence

import uvloop
from msgspec import structs

from wharfie import __version__
from wharfie.formats import pflag
from wharfie.formats.printable import make_printable
from wharfie.formats.reference import DEFAULT_DOMAIN
from wharfie.model.registry import ANONYMOUS, Credentials
from wharfie.registry.client import RegistrySettings, RemoteRegistries
from wharfie.registry.mirroring import (
    InvalidSelection,
    Mirror,
    Selection,
    Side,
    parse_destination,
    parse_selection,
)
from wharfie.web.client import InvalidUrl, Proxies

_USAGE = """Usage:  wharfie-registry mirror [OPTIONS] SOURCE [SOURCE...] DESTINATION

Copy repositories to another registry, digests unchanged

SOURCE is registry/repository, with :TAG or @DIGEST or without (all tags); repository and tag may
be patterns (registry.example/team/**:v1.*). DESTINATION is a registry, perhaps with a prefix:
hub.example/team/app goes to DESTINATION/team/app.

Options:
"""
_FLAGS = """
    --destination-insecure              Ask the destination without (proper) TLS
    --destination-password-file string  File with the password
    --destination-user string           User at the destination
    --dry-run                           Tell what would be copied
    --jobs int                          Blobs at a time (default 4)
    --referrers                         Copy signatures and other referrers too (default true)
    --source-insecure                   Ask the source without (proper) TLS
    --source-password-file string       File with the password
    --source-user string                User at the source
"""
_HUB_KEY = "https://index.docker.io/v1/"


class CredentialsProblem(Exception):
    """A password cannot be had."""


def run(words: Sequence[str]) -> int:
    """Mirror; returns the exit code: 1 where anything could not be copied."""
    try:
        read = _parse(words)
        selections = [parse_selection(text) for text in read.args[:-1]]
        destination = parse_destination(read.args[-1])
        return uvloop.run(_mirror(read, selections, destination))
    except pflag.HelpWanted:
        sys.stdout.write(_USAGE + _FLAGS.lstrip("\n"))
        return 0
    except (pflag.UsageProblem, InvalidSelection, CredentialsProblem, InvalidUrl) as error:
        sys.stderr.write(f"wharfie-registry: {error}\n")
        return 1


def _parse(words: Sequence[str]) -> pflag.Values:
    read = pflag.Parser(pflag.declare(_FLAGS)).parse(list(words))
    if len(read.args) < 2:
        raise pflag.UsageProblem("requires a source and a destination")
    return read


async def _mirror(
    read: pflag.Values, selections: Sequence[Selection], destination: tuple[str, str]
) -> int:
    domain, prefix = destination
    if len({selection.domain for selection in selections}) > 1:
        raise InvalidSelection("all sources must be of one registry")
    source = _side(read, "source", selections[0].domain)
    target = _side(read, "destination", domain)
    mirror = Mirror(
        source,
        target,
        domain=domain,
        prefix=prefix,
        tell=_tell,
        jobs=max(1, read.number("jobs")),
        with_referrers=read.on("referrers"),
        is_rehearsal=read.on("dry-run"),
    )
    try:
        await mirror.run(selections)
    finally:
        await source.registries.close()
        await target.registries.close()
        await asyncio.sleep(0)
    sys.stdout.write(
        f"{mirror.copied} copied, {mirror.unchanged} unchanged, {mirror.failures} failed, "
        f"{mirror.sent} bytes sent\n"
    )
    return 1 if mirror.failures else 0


def _tell(line: str) -> None:
    sys.stdout.write(make_printable(line) + "\n")
    sys.stdout.flush()


def _side(read: pflag.Values, name: str, domain: str) -> Side:
    environment = os.environ
    proxies = Proxies.of(
        http=environment.get("HTTP_PROXY", "") or environment.get("http_proxy", ""),
        https=environment.get("HTTPS_PROXY", "") or environment.get("https_proxy", ""),
        exceptions=environment.get("NO_PROXY", "") or environment.get("no_proxy", ""),
    )
    insecure = (domain,) if read.on(f"{name}-insecure") else ()
    settings = RegistrySettings(insecure=insecure, proxies=proxies)
    registries = RemoteRegistries(settings, agent=f"wharfie-registry/{__version__}")
    user, file = read.text(f"{name}-user"), read.text(f"{name}-password-file")
    if user or file:
        if not (user and file):
            raise CredentialsProblem(f"--{name}-user and --{name}-password-file go together")
        return Side(registries, Credentials(user, _password(file), serveraddress=domain))
    return Side(registries, _known(domain))


def _password(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(4096).rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsProblem(f"cannot read the password in {path}: {error}") from None


def _known(domain: str) -> Credentials:
    """What `docker login` left in config.json; helpers are not asked."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            found = json.load(file)["auths"][_HUB_KEY if domain == DEFAULT_DOMAIN else domain]
        user, _, password = base64.b64decode(found["auth"]).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return ANONYMOUS
    credentials = Credentials(user, password, serveraddress=domain)
    token = found.get("identitytoken", "")
    return structs.replace(credentials, identitytoken=token) if token else credentials
