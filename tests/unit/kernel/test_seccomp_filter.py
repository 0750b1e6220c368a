import struct

import pytest

from wharfie.formats.oci.runtime import Seccomp, SyscallArgument, SyscallRule
from wharfie.kernel.seccomp import SeccompInvalid, compile_filter, is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="no libseccomp")
X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026


def run(program: bytes, number: int, *arguments: int, arch: int = X86_64) -> int:
    """What the kernel would answer: a small interpreter of classic BPF."""
    given = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *given)
    code = list(struct.iter_unpack("=HBBI", program))
    position = accumulator = 0
    while True:
        operation, yes, no, value = code[position]
        position += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x05:
            position += value
        elif operation == 0x54:
            accumulator &= value
        else:
            tests = {0x15: accumulator == value, 0x25: accumulator > value}
            tests |= {0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            position += yes if tests[operation] else no


def _profile(*rules: SyscallRule, default: str = "SCMP_ACT_ERRNO") -> Seccomp:
    return Seccomp(
        default_action=default,
        architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
        syscalls=rules,
    )


def _allow(*names: str, args: tuple[SyscallArgument, ...] = ()) -> SyscallRule:
    return SyscallRule(names=names, action="SCMP_ACT_ALLOW", args=args)


def test_names_are_numbers_of_each_architecture() -> None:
    program = compile_filter(_profile(_allow("write", "no_such_call"), _allow("openat2")))
    assert run(program, 1) == ALLOW
    assert run(program, 4, arch=I386) == ALLOW
    assert run(program, 0) == EPERM


def test_calls_above_the_known_ones_do_not_exist() -> None:
    program = compile_filter(_profile(_allow("write", "openat2")))
    assert run(program, 437) == ALLOW
    assert run(program, 438) == ENOSYS
    assert run(program, 438, arch=I386) == ENOSYS


def test_a_permissive_default_knows_all_calls() -> None:
    rule = SyscallRule(names=("mkdir",), action="SCMP_ACT_ERRNO", errno_ret=28)
    program = compile_filter(_profile(rule, default="SCMP_ACT_ALLOW"))
    assert run(program, 83) == 0x00050000 | 28
    assert run(program, 9999) == ALLOW


def test_another_architecture_is_killed() -> None:
    assert run(compile_filter(_profile(_allow("write"))), 1, arch=0xC00000B7) == 0


def test_conditions() -> None:
    masked = SyscallArgument(0, 0x7E020000, "SCMP_CMP_MASKED_EQ", 0)
    program = compile_filter(_profile(_allow("clone", args=(masked,)), _allow("openat2")))
    assert run(program, 56, 0x11) == ALLOW
    assert run(program, 56, 0x10000011) == EPERM


def test_two_conditions_on_one_argument_are_alternatives() -> None:
    either = (SyscallArgument(0, 1, "SCMP_CMP_EQ"), SyscallArgument(0, 5, "SCMP_CMP_EQ"))
    program = compile_filter(_profile(_allow("personality", args=either), _allow("openat2")))
    assert [run(program, 135, n) for n in (1, 5, 3)] == [ALLOW, ALLOW, EPERM]


@pytest.mark.parametrize(
    "profile",
    [
        _profile(default="SCMP_ACT_NOPE"),
        Seccomp(default_action="SCMP_ACT_ERRNO", architectures=("SCMP_ARCH_NOPE",)),
        _profile(SyscallRule(names=("read",), action="SCMP_ACT_NOPE")),
        _profile(_allow("read", args=(SyscallArgument(0, 1, "SCMP_CMP_NOPE"),))),
        _profile(_allow("read", args=(SyscallArgument(9, 1, "SCMP_CMP_EQ"),))),
    ],
)
def test_what_cannot_be_compiled(profile: Seccomp) -> None:
    with pytest.raises(SeccompInvalid):
        compile_filter(profile)
