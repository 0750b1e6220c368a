"""Texts are what crun 1.8.1 and runc 1.1.5 wrote on a real host."""

import pytest

from wharfie.drivers.runtime.failures import start_failed

CREATE = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "crun create failed: unable to start container process: "
)
ADVICE = (
    ": Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)


@pytest.mark.parametrize(
    ("text", "expected", "code"),
    [
        (
            "executable file `foo` not found in $PATH: No such file or directory",
            'exec: "foo": executable file not found in $PATH',
            127,
        ),
        (
            "executable file `/x/foo` not found in $PATH: No such file or directory",
            'exec: "/x/foo": stat /x/foo: no such file or directory',
            127,
        ),
        (
            "open executable: Operation not permitted",
            'exec: "foo": is a directory: permission denied',
            126,
        ),
        ("open executable: Permission denied", 'exec: "foo": permission denied', 126),
        (
            "the path `/x/foo` exists but it is not executable: Operation not permitted",
            'exec: "/x/foo": permission denied',
            126,
        ),
        (
            "the path `foo` is not a regular file: Operation not permitted",
            'exec: "foo": is a directory: permission denied',
            126,
        ),
        (
            "cannot open `/x/foo`: Not a directory",
            f'exec: "/x/foo": stat /x/foo: not a directory{ADVICE}',
            127,
        ),
        (
            "open executable: Not a directory",
            f'exec: "foo": stat foo: not a directory{ADVICE}',
            127,
        ),
        (
            "mount `/tmp` to `etc/plain`: Not a directory",
            'error mounting "/tmp" to rootfs at "/etc/plain": mount /tmp:/etc/plain: '
            f"not a directory{ADVICE}",
            127,
        ),
        (
            "error stat'ing file `/tmp/no`: No such file or directory",
            'error mounting "/tmp/no": stat /tmp/no: no such file or directory',
            128,
        ),
        (
            "writing file `cpuset.cpus`: Numerical result out of range",
            "writing file `cpuset.cpus`: numerical result out of range",
            128,
        ),
        ("the sysctl `kernel.foo` is not namespaced",) * 2 + (128,),
        (
            'runc run failed: unable to start container process: exec: "foo": '
            "executable file not found in $PATH",
            'exec: "foo": executable file not found in $PATH',
            127,
        ),
        (
            'warning: first line\nrunc run failed: sysctl "kernel.foo" is not in a separate '
            "kernel namespace",
            'sysctl "kernel.foo" is not in a separate kernel namespace',
            128,
        ),
        ("", "the runtime gave no reason", 128),
    ],
)
def test_words_and_codes(text: str, expected: str, code: int) -> None:
    found = start_failed(text, program="foo", runtime="crun")
    assert str(found) == CREATE + expected
    assert found.exit_code == code


def test_exec_has_its_own_prefix() -> None:
    found = start_failed(
        'exec failed: unable to start container process: exec: "foo": permission denied',
        program="foo",
        runtime="runc",
        of_exec=True,
    )
    assert str(found) == (
        "OCI runtime exec failed: exec failed: unable to start container process: "
        'exec: "foo": permission denied'
    )
    assert found.exit_code == 126
