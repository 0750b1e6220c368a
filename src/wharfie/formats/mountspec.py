"""Mount grammars: `--mount type=bind,src=/a,dst=/b,ro` and `-v [source:]target[:options]`.

`parse_mount` returns the API's Mount object as a dict. Source: Docker's documentation of
`--mount` and `--volume`; errors carry Docker's words.
"""

from __future__ import annotations

from wharfie.formats.fields import split_fields
from wharfie.formats.units import parse_size

_TRUE = {"1", "t", "true", "T", "True", "TRUE"}
_FALSE = {"0", "f", "false", "F", "False", "FALSE"}
_FLAGS = {"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"}
_OWNERS = {"VolumeOptions": "volume", "BindOptions": "bind", "TmpfsOptions": "tmpfs"}
_PLAIN = {
    "source": "Source",
    "src": "Source",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
}


def parse_mount(text: str) -> dict[str, object]:
    """Read one `--mount` value.

    Raises:
        ValueError: in Docker's words.
    """
    mount: dict[str, object] = {"Type": "volume"}
    for field in split_fields(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            if key not in _FLAGS:
                raise ValueError(f"invalid field '{field}' must be a key=value pair")
            value = "true"
        _take(mount, key, value, field)
    if not mount["Type"]:
        raise ValueError("type is required")
    if not mount.get("Target"):
        raise ValueError("target is required")
    _check_owners(mount)
    _finish(mount)
    return mount


def _check_owners(mount: dict[str, object]) -> None:
    kind = mount["Type"]
    for name in ("VolumeOptions", "BindOptions", "TmpfsOptions"):
        owner = _OWNERS[name]
        if name in mount and kind != owner and not (owner == "volume" and kind == "cluster"):
            raise ValueError(f"cannot mix '{owner}-*' options with mount type '{kind}'")


def _finish(mount: dict[str, object]) -> None:
    options = mount.get("BindOptions")
    if not isinstance(options, dict):
        return
    if options.get("ReadOnlyForceRecursive") or options.get("ReadOnlyNonRecursive"):
        word = "readonly" if options.get("ReadOnlyForceRecursive") else "writable"
        if not mount.get("ReadOnly"):
            raise ValueError(
                f"option 'bind-recursive={word}' requires 'readonly' to be specified in conjunction"
            )
        if word == "readonly" and options.get("Propagation") != "rprivate":
            raise ValueError(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be"
                " specified in conjunction"
            )


def _options(mount: dict[str, object], name: str) -> dict[str, object]:
    found = mount.setdefault(name, {})
    assert isinstance(found, dict)
    return found


def _bool(key: str, value: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise ValueError(f"invalid value for {key}: {value}")
    return value in _TRUE


def _take(mount: dict[str, object], key: str, value: str, field: str) -> None:
    if key == "type":
        mount["Type"] = value.lower()
    elif key in _PLAIN:
        if _PLAIN[key] == "Source" and value.startswith("."):
            from os.path import abspath  # noqa: PLC0415

            value = abspath(value)
        mount[_PLAIN[key]] = value
    elif key in {"readonly", "ro"}:
        if _bool(key, value):
            mount["ReadOnly"] = True
    elif key.startswith("bind-"):
        _take_bind(mount, key, value, field)
    elif key.startswith("volume-"):
        _take_volume(mount, key, value, field)
    elif key.startswith("tmpfs-"):
        _take_tmpfs(mount, key, value, field)
    elif key == "image-subpath":
        _options(mount, "ImageOptions")["Subpath"] = value
    else:
        raise _unexpected(key, field)


def _unexpected(key: str, field: str) -> ValueError:
    return ValueError(f"unexpected key '{key}' in '{field}'")


def _take_bind(mount: dict[str, object], key: str, value: str, field: str) -> None:
    if key == "bind-propagation":
        _options(mount, "BindOptions")["Propagation"] = value.lower()
    elif key == "bind-nonrecursive":
        if _bool(key, value):
            _options(mount, "BindOptions")["NonRecursive"] = True
    elif key == "bind-recursive":
        options = _options(mount, "BindOptions")
        names = {
            "enabled": "",
            "disabled": "NonRecursive",
            "writable": "ReadOnlyNonRecursive",
            "readonly": "ReadOnlyForceRecursive",
        }
        if value not in names:
            raise ValueError(
                f'invalid value for {key}: {value} (must be "enabled", "disabled", "writable",'
                ' or "readonly")'
            )
        if names[value]:
            options[names[value]] = True
    else:
        raise _unexpected(key, field)


def _take_volume(mount: dict[str, object], key: str, value: str, field: str) -> None:
    name, equals, rest = value.partition("=")
    if key == "volume-subpath":
        _options(mount, "VolumeOptions")["Subpath"] = value
    elif key == "volume-nocopy":
        if _bool("volume-nocopy", value):
            _options(mount, "VolumeOptions")["NoCopy"] = True
    elif key == "volume-label":
        labels = _options(_options(mount, "VolumeOptions"), "Labels")
        labels[name] = rest
    elif key == "volume-driver":
        _options(_options(mount, "VolumeOptions"), "DriverConfig")["Name"] = value
    elif key == "volume-opt":
        driver = _options(_options(mount, "VolumeOptions"), "DriverConfig")
        _options(driver, "Options")[name] = rest if equals else ""
    else:
        raise _unexpected(key, field)


def _take_tmpfs(mount: dict[str, object], key: str, value: str, field: str) -> None:
    if key == "tmpfs-size":
        try:
            _options(mount, "TmpfsOptions")["SizeBytes"] = parse_size(value)
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None
    elif key == "tmpfs-mode":
        try:
            _options(mount, "TmpfsOptions")["Mode"] = int(value, 8)
        except ValueError:
            raise ValueError(f"invalid value for {key}: {value}") from None
    else:
        raise _unexpected(key, field)


def split_volume(text: str) -> tuple[str, str]:
    """Read one `-v` value: its source (empty for an anonymous volume) and the kind of it.

    Returns:
        `("", "volume")`, or a source with `bind` or `volume`.

    Raises:
        ValueError: in Docker's words.
    """
    if not text:
        raise ValueError("invalid empty volume spec")
    if len(text) <= 2:
        return "", "volume"
    parts = _split_colons(text)
    if any(not part for part in parts):
        raise ValueError(f"invalid spec: {text}: empty section between colons")
    if len(parts) > 3:
        raise ValueError(f"invalid spec: {text}: too many colons")
    if len(parts) == 1:
        return "", "volume"
    source = parts[0]
    return source, "bind" if source[0] in "/.~" else "volume"


def _split_colons(text: str) -> list[str]:
    """Split at colons, except those behind a single letter, which name a drive of Windows."""
    parts = [""]
    for char in text:
        is_drive = len(parts[-1]) == 1 and parts[-1].isalpha()
        if char == ":" and not is_drive:
            parts.append("")
        else:
            parts[-1] += char
    return parts
