"""SELinux contexts and label options."""

import pytest

from wharfie.formats import selinux
from wharfie.formats.selinux import Context, Policy

CONTEXTS = """
process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:virt_var_lib_t:s0"
file = "system_u:object_r:container_file_t:s0"
# a comment
sandbox_kvm_process = "system_u:system_r:svirt_qemu_net_t:s0"
"""
POLICY = Policy.parse(CONTEXTS)


def test_a_policy_names_labels() -> None:
    assert str(POLICY.process) == "system_u:system_r:container_t:s0"
    assert POLICY.file == Context("system_u", "object_r", "container_file_t", "s0")
    for text in ("", 'process = "a:b:c"', 'process = "a:b:c"\nfile = "x"'):
        with pytest.raises(ValueError, match=r"labels|context"):
            Policy.parse(text)


def test_a_policy_without_levels() -> None:
    policy = Policy.parse("process = u:r:p_t\nfile = u:o:f_t")
    assert selinux.labels_of(policy, [], "c1,c2") == ("u:r:p_t", "u:o:f_t")


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ([], ("system_u:system_r:container_t:s0:c1,c2",
              "system_u:object_r:container_file_t:s0:c1,c2")),
        (["type:svirt_apache_t"], ("system_u:system_r:svirt_apache_t:s0:c1,c2",
                                   "system_u:object_r:container_file_t:s0:c1,c2")),
        (["level:s0:c100,c200", "user:me"], ("me:system_r:container_t:s0:c100,c200",
                                             "me:object_r:container_file_t:s0:c100,c200")),
        (["role:r", "filetype:usr_t"], ("system_u:r:container_t:s0:c1,c2",
                                        "system_u:object_r:usr_t:s0:c1,c2")),
        (["disable"], ("", "system_u:object_r:container_file_t:s0:c1022,c1023")),
    ],
)  # fmt: skip
def test_options_change_labels(options: list[str], labels: tuple[str, str]) -> None:
    selinux.check_options(options)
    assert selinux.labels_of(POLICY, options, "c1,c2") == labels


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("foo", "Bad label option \"foo\", valid options 'disable' or"),
        ("foo:x", 'Bad label option "foo", valid options \'disable, user, role, level, type'),
    ],
)
def test_other_options_are_refused(option: str, words: str) -> None:
    with pytest.raises(ValueError, match="Bad label option") as refused:
        selinux.check_options([option])
    assert words in str(refused.value)


def test_categories() -> None:
    assert selinux.categories_of("a:b:container_t:s0:c1,c2") == "c1,c2"
    assert selinux.categories_of("a:b:container_t:s0") == selinux.categories_of("") == ""
    assert selinux.shared("a:b:container_t:s0:c1,c2") == "a:b:container_t:s0"
