"""What a log says of its container: the tag, and the chosen labels and variables.

Templates of the `tag` option see the methods below. Source: Docker's documentation, "Customize
log driver output".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wharfie.formats.gotemplate import Record, TemplateError, execute, parse
from wharfie.formats.gotemplate.functions import NAMES
from wharfie.model.container import Container
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import short

DEFAULT_TAG = "{{.ID}}"


def command_of(container: Container) -> str:
    """Program and arguments, as Docker's loggers show them."""
    return " ".join([container.path, *container.args])


_FIELDS: dict[str, Callable[[Container], object]] = {
    "ID": lambda container: short(container.id),
    "FullID": lambda container: container.id,
    "ContainerID": lambda container: container.id,
    "Name": lambda container: container.name,
    "ContainerName": lambda container: f"/{container.name}",
    "ImageID": lambda container: container.image[:12],
    "ImageFullID": lambda container: container.image,
    "ContainerImageID": lambda container: container.image,
    "ImageName": lambda container: container.image_ref,
    "ContainerImageName": lambda container: container.image_ref,
    "Command": command_of,
    "DaemonName": lambda _container: "docker",
    "ContainerLabels": lambda container: dict(container.config.labels),
    "ContainerEnv": lambda container: list(container.config.env or []),
}


class LogInfo(Record):
    """A container as tag templates see it."""

    __slots__ = ("_container", "_hostname")

    def __init__(self, container: Container, hostname: str) -> None:
        self._container = container
        self._hostname = hostname

    @property
    def type_name(self) -> str:
        """As in Docker's error texts."""
        return "*logger.Info"

    def field(self, name: str, arguments: list[object]) -> object:
        """A field or method; see the class."""
        if arguments:
            raise TypeError(name)
        if name == "Hostname":
            return self._hostname
        return _FIELDS[name](self._container)

    def to_json(self) -> object:
        """What `{{json .}}` writes."""
        container = self._container
        return {
            "ContainerID": container.id,
            "ContainerName": f"/{container.name}",
            "ContainerImageID": container.image,
            "ContainerImageName": container.image_ref,
            "DaemonName": "docker",
        }


def render_tag(container: Container, hostname: str, default: str = DEFAULT_TAG) -> str:
    """The container's tag; "" when it has none and there is no default.

    Raises:
        InvalidArgument: the template is wrong.
    """
    template = container.host_config.log_config.config.get("tag", "") or default
    if not template:
        return ""
    try:
        parsed = parse(template, functions=NAMES, name="log-tag")
        return execute(parsed, LogInfo(container, hostname))
    except TemplateError as error:
        raise InvalidArgument(str(error)) from None


def extra_attributes(
    container: Container, rename: Callable[[str], str] = lambda key: key
) -> dict[str, str]:
    """Labels and variables that the options choose, their keys renamed.

    Raises:
        InvalidArgument: a bad regular expression.
    """
    options = container.host_config.log_config.config
    variables = {
        name: value
        for name, mark, value in (v.partition("=") for v in container.config.env or [])
        if mark
    }
    chosen = {
        **_choose(container.config.labels, options, "labels"),
        **_choose(variables, options, "env"),
    }
    return {rename(key): value for key, value in chosen.items()}


def _choose(values: Mapping[str, str], options: Mapping[str, str], key: str) -> dict[str, str]:
    chosen = {
        name: values[name] for name in options.get(key, "").split(",") if name and name in values
    }
    pattern = options.get(f"{key}-regex", "")
    if not pattern:
        return chosen
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InvalidArgument(f"error parsing regexp: {error}: `{pattern}`") from None
    chosen.update({name: value for name, value in values.items() if expression.search(name)})
    return chosen
