"""What a container takes from its image: the user's word first, the image's where it is silent.

Source: behaviours 17-22 and 45; moby daemon/commit.go, `merge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec import UNSET, UnsetType, structs

from wharfie.model.container import Config, HealthConfig
from wharfie.model.image import ImageConfig

V = TypeVar("V")


def merge_image_config(user: Config, image: ImageConfig | None) -> Config:
    """The user's config, completed by the image's.

    An entrypoint of the user's, even an empty one, hides the image's; a command or an entrypoint
    of the user's hides the image's command. `[""]` is how the command line spells "none". Build
    triggers are not inherited.
    """
    image = image or ImageConfig()
    entrypoint, cmd = user.entrypoint, user.cmd
    args_escaped = user.args_escaped
    if not entrypoint:
        if not cmd:
            cmd = image.cmd
            args_escaped = args_escaped or image.args_escaped or UNSET
        if entrypoint is None:
            entrypoint = image.entrypoint
    if entrypoint == [""]:
        entrypoint = None
    ports = user.exposed_ports if user.exposed_ports is not UNSET else {}
    return structs.replace(
        user,
        user=user.user or image.user,
        exposed_ports=_union(image.exposed_ports, ports) or UNSET,
        env=_environment(user.env, image.env),
        labels=_union(image.labels, user.labels),
        cmd=cmd,
        entrypoint=entrypoint,
        args_escaped=args_escaped,
        working_dir=user.working_dir or image.working_dir,
        volumes=_union(image.volumes, user.volumes) or user.volumes,
        healthcheck=_health(user.healthcheck, image.healthcheck),
        stop_signal=user.stop_signal or image.stop_signal or UNSET,
        shell=user.shell or image.shell or UNSET,
    )


def _union(image: Mapping[str, V] | None, user: Mapping[str, V] | None) -> dict[str, V]:
    return {**(image or {}), **(user or {})}


def _environment(user: list[str] | None, image: list[str] | None) -> list[str] | None:
    """The user's variables in their order, then the image's that the user does not name."""
    if not user:
        return list(image) if image is not None else user
    named = {variable.partition("=")[0] for variable in user}
    return user + [variable for variable in image or [] if variable.partition("=")[0] not in named]


def _health(user: HealthConfig | UnsetType, image: HealthConfig | None) -> HealthConfig | UnsetType:
    """Field by field: what the user left at zero is the image's."""
    if image is None:
        return user
    if user is UNSET:
        return image
    return HealthConfig(
        test=user.test or image.test,
        interval=user.interval or image.interval,
        timeout=user.timeout or image.timeout,
        start_period=user.start_period or image.start_period,
        start_interval=user.start_interval or image.start_interval,
        retries=user.retries or image.retries,
    )
