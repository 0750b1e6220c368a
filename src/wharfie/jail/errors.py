"""How a job fails inside a worker."""

from __future__ import annotations

import errno
import os

from wharfie.jail.protocol import Failure

_CALLERS_FAULT = {
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EINVAL,
    errno.ENOENT,
    errno.EXDEV,
    errno.EMLINK,
    errno.ERANGE,
    errno.E2BIG,
    errno.EACCES,  # with CAP_DAC_OVERRIDE only the magic links of /proc answer that
}
_READ_ONLY = "container rootfs is marked read-only"


class JobError(Exception):
    """The job failed for a reason the user should read."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


def invalid(message: str) -> JobError:
    """The request or the archive is wrong."""
    return JobError(Failure.INVALID_ARGUMENT, message)


def not_found(path: bytes) -> JobError:
    """Nothing is there."""
    return JobError(Failure.NOT_FOUND, f"Could not find the file {show(path)}")


def forbidden(message: str) -> JobError:
    """The target may not be written."""
    return JobError(Failure.FORBIDDEN, message)


def of_os_error(error: OSError, path: bytes) -> JobError:
    """What the kernel's refusal of one archive member, or of one path, means to the user."""
    number = error.errno or errno.EIO
    text = f"{show(path)}: {os.strerror(number).lower()}"
    if number == errno.EROFS:
        return forbidden(_READ_ONLY)
    if number == errno.EFBIG:
        return invalid(f"{show(path)}: file exceeds the size limit")
    if number in _CALLERS_FAULT:
        return invalid(text)
    return JobError(Failure.INTERNAL, text)


def show(path: bytes) -> str:
    """A path for people: never raises, never huge."""
    text = path.decode(errors="replace")
    return text if len(text) <= 256 else text[:253] + "..."
