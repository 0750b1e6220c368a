import pytest

from wharfie.drivers.runtime.security_options import SecurityOptions, parse_security_options
from wharfie.model.errors import InvalidArgument


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("seccomp=unconfined", SecurityOptions(seccomp="unconfined")),
        ("seccomp:unconfined", SecurityOptions(seccomp="unconfined")),
        ("seccomp=builtin", SecurityOptions()),
        ('seccomp={"a":"b=c"}', SecurityOptions(seccomp='{"a":"b=c"}')),
        ("no-new-privileges", SecurityOptions(no_new_privileges=True)),
        ("no-new-privileges=false", SecurityOptions()),
        ("no-new-privileges:true", SecurityOptions(no_new_privileges=True)),
        ("apparmor=mine", SecurityOptions(apparmor="mine")),
        ("label=type:svirt_t", SecurityOptions(labels=("type:svirt_t",))),
        ("label:disable", SecurityOptions(labels=("disable",))),
        ("systempaths=unconfined", SecurityOptions(unmask_paths=True)),
        ("writable-cgroups=true", SecurityOptions(writable_cgroups=True)),
    ],
)
def test_forms(option: str, expected: SecurityOptions) -> None:
    assert parse_security_options([option]) == expected


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("nonsense", 'invalid --security-opt 1: "nonsense"'),
        ("nonsense=1", 'invalid --security-opt 2: "nonsense=1"'),
        ("no-new-privileges=maybe", 'invalid --security-opt 2: "no-new-privileges=maybe"'),
        ("systempaths=confined", 'invalid --security-opt 2: "systempaths=confined"'),
    ],
)
def test_refusals(option: str, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_security_options([option])
    assert str(caught.value) == text
