"""Every error the engine raises on purpose.

EngineError
├── InvalidArgument   wrong whatever the state
├── Unauthorized      credentials missing or refused
├── Forbidden         will never be allowed
├── NotFound          the named object does not exist
├── Conflict          state forbids it now, may allow it later
├── NotModified       already as wished
├── NotSupported      this engine does not do it (yet), and says so
├── Unavailable       a needed subsystem is not there
└── Internal          the host or a driver failed; the message says how

A class tells the caller what to do; the one table of HTTP statuses is `wire/errors.py`.
Messages follow Docker's wording where clients match on them.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all expected failures; `str(error)` is the text a user reads."""

    @property
    def message(self) -> str:
        """The text for the user, one line or more."""
        return str(self)


class InvalidArgument(EngineError):
    """The request is wrong whatever the state."""


class Unauthorized(EngineError):
    """Credentials are missing or refused."""


class Forbidden(EngineError):
    """Will never be allowed."""


class NotFound(EngineError):
    """The named object does not exist."""


class Conflict(EngineError):
    """The present state forbids it."""


class NotModified(EngineError):
    """The object already is as wished."""


class NotSupported(EngineError):
    """A known request that this engine does not serve."""


class Unavailable(EngineError):
    """A needed subsystem is missing or not ready."""


class Internal(EngineError):
    """The host or a driver failed."""


class NoSuchContainer(NotFound):
    """No container has this ID, ID prefix or name."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"No such container: {ref}")
        self.ref = ref


class AmbiguousReference(InvalidArgument):
    """An ID prefix matches several objects."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"multiple IDs found with provided prefix: {ref}")
        self.ref = ref


class NameInUse(Conflict):
    """Another container holds the name."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
        self.name = name
        self.holder = holder


class NotRunning(Conflict):
    """The verb needs a running container."""

    def __init__(self, container_id: str) -> None:
        super().__init__(f"container {container_id} is not running")


class NoSuchExec(NotFound):
    """No exec instance has this ID."""

    def __init__(self, exec_id: str) -> None:
        super().__init__(f"No such exec instance: {exec_id}")


class NoSuchImage(NotFound):
    """No image has this reference or ID."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"No such image: {ref}")
        self.ref = ref


class NoSuchNetwork(NotFound):
    """No network has this ID, ID prefix or name."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"network {ref} not found")
        self.ref = ref


class NoSuchVolume(NotFound):
    """No volume has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"get {name}: no such volume")
        self.name = name


class StartFailed(EngineError):
    """The runtime could not start a process.

    `exit_code` is what Docker records: 127 command not found, 126 not executable, 128 otherwise.
    Source: behaviours 65 and 66.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
