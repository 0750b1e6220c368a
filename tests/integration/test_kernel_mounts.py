"""Mount calls on the real kernel, in a mount namespace of a forked child."""

import errno
import os
import subprocess
import sys
import textwrap

import pytest

from wharfie.kernel import mounts

pytestmark = pytest.mark.root


def in_namespace(code: str) -> str:
    """Run code in a fresh interpreter inside a private mount namespace."""
    program = "from wharfie.kernel import mounts\nimport os\n"
    program += "mounts.unshare(mounts.CLONE_NEWNS)\nmounts.make_private()\n"
    done = subprocess.run(
        [sys.executable, "-c", program + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_detached_tmpfs_is_attached_and_gone(tmp_path) -> None:
    out = in_namespace(f"""
        context = mounts.fsopen("tmpfs")
        mounts.fsconfig_string(context, "size", "1m")
        mounts.fsconfig_create(context)
        tree = mounts.fsmount(context, mounts.MOUNT_ATTR_NODEV)
        mounts.move_mount(tree, "", mounts.AT_FDCWD, {str(tmp_path)!r})
        open({str(tmp_path / "f")!r}, "w").close()
        print(os.path.ismount({str(tmp_path)!r}))
        mounts.umount({str(tmp_path)!r}, mounts.MNT_DETACH)
        print(os.path.exists({str(tmp_path / "f")!r}))
    """)
    assert out.split() == ["True", "False"]
    assert list(tmp_path.iterdir()) == []


def test_cloned_tree_can_be_read_only(tmp_path) -> None:
    source = tmp_path / "source"
    target = tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "f").write_text("content")
    out = in_namespace(f"""
        tree = mounts.clone_tree({str(source)!r}, read_only=True)
        mounts.move_mount(tree, "", mounts.AT_FDCWD, {str(target)!r})
        print(open({str(target / "f")!r}).read())
        try:
            open({str(target / "g")!r}, "w")
        except OSError as error:
            print(error.errno)
    """)
    assert out.split() == ["content", str(errno.EROFS)]


def test_overlay_by_the_new_calls_and_the_reason_of_a_refusal(tmp_path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "f").write_text("lower")
    out = in_namespace(f"""
        base = {str(tmp_path)!r}
        mounts.mount("tmpfs", base + "/work", "tmpfs")
        for name in ("upper", "work"):
            os.mkdir(base + "/work/" + name)
        context = mounts.fsopen("overlay")
        mounts.fsconfig_string(context, "lowerdir+", base + "/lower")
        mounts.fsconfig_string(context, "upperdir", base + "/work/upper")
        mounts.fsconfig_string(context, "workdir", base + "/work/work")
        mounts.fsconfig_create(context)
        tree = mounts.fsmount(context)
        print(open(f"/proc/self/fd/{{tree}}/f").read())
        context = mounts.fsopen("overlay")
        try:
            mounts.fsconfig_string(context, "no_such_option", "1")
        except OSError as error:
            print("no_such_option" in str(error))
    """)
    assert out.split() == ["lower", "True"]


def test_old_mount_and_umount(tmp_path) -> None:
    out = in_namespace(f"""
        mounts.mount("tmpfs", {str(tmp_path)!r}, "tmpfs", mounts.MS_NOSUID, "size=1m")
        print(os.path.ismount({str(tmp_path)!r}))
        mounts.umount({str(tmp_path)!r})
        print(os.path.ismount({str(tmp_path)!r}))
    """)
    assert out.split() == ["True", "False"]


def test_errors_carry_errno_and_path(tmp_path) -> None:
    with pytest.raises(OSError, match="not-there") as caught:
        mounts.umount(str(tmp_path / "not-there"))
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError, match="nofs") as caught:
        mounts.fsopen("nofs")
    assert caught.value.errno == errno.ENODEV
    root = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    with pytest.raises(OSError, match="setns"):
        mounts.setns(root)
    os.close(root)
