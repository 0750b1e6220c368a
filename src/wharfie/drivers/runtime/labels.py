"""SELinux labels of containers, where the host has SELinux and the configuration asks for it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence

from wharfie.formats import selinux
from wharfie.formats.selinux import MOST_CATEGORIES, Policy
from wharfie.kernel.selinux import RelabelRefused, read_contexts, relabel
from wharfie.model.container import MountPoint
from wharfie.model.errors import Internal, InvalidArgument

_log = logging.getLogger(__name__)


class Labels:
    """Makes labels; without a policy every label is "" and every option means nothing."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy

    @classmethod
    def of_host(cls, root: str = "/") -> Labels:
        """Those of this host's policy; where it has none, that is told in dockerd's words."""
        text = read_contexts(root)
        if text is None:
            _log.warning("Docker could not enable SELinux on the host system")
            return cls()
        try:
            return cls(Policy.parse(text))
        except ValueError as error:
            _log.warning("Docker could not enable SELinux on the host system: %s", error)
            return cls()

    @property
    def is_on(self) -> bool:
        """Whether containers are labelled."""
        return self._policy is not None

    def make(self, options: Sequence[str], taken: Iterable[str] = ()) -> tuple[str, str]:
        """Labels of a new container's process and files.

        Args:
            options: of the container.
            taken: labels of other containers' processes; their categories are not given again.

        Raises:
            InvalidArgument: an option that means nothing.
        """
        if self._policy is None:
            return "", ""
        try:
            selinux.check_options(options)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        return selinux.labels_of(self._policy, options, _categories(taken))

    def relabel(self, mounts: Iterable[MountPoint], label: str) -> None:
        """Give the files of mounts that ask for it (`z`, `Z`) their label.

        Raises:
            InvalidArgument: a directory of the host's own.
            Internal: the file system refused.
        """
        if self._policy is None or not label:
            return
        for mount in mounts:
            modes = mount.mode.split(",")
            if mount.type not in ("bind", "volume") or not mount.source:
                continue
            try:
                if "Z" in modes:
                    relabel(mount.source, label)
                elif "z" in modes:
                    relabel(mount.source, selinux.shared(label))
            except RelabelRefused as error:
                raise InvalidArgument(str(error.strerror)) from None
            except OSError as error:
                raise Internal(
                    f"cannot relabel {mount.source}: {error.strerror or error}"
                ) from error


def _categories(taken: Iterable[str]) -> str:
    """Two categories, lower first, that no other container has as a pair."""
    used = {selinux.categories_of(one) for one in taken}
    while True:
        pair = sorted(random.sample(range(MOST_CATEGORIES - 2), 2))
        found = f"c{pair[0]},c{pair[1]}"
        if found not in used:
            return found
