from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.mountspec import parse_mount, split_volume


def test_mounts_become_the_api_s_objects() -> None:
    assert parse_mount("type=tmpfs,dst=/t,tmpfs-mode=1770") == {
        "Type": "tmpfs",
        "Target": "/t",
        "TmpfsOptions": {"Mode": 0o1770},
    }
    assert split_volume("/a:/b:ro") == ("/a", "bind")
    assert split_volume("name:/b") == ("name", "volume")
    assert split_volume("/only") == ("", "volume")


@given(st.text(alphabet='abdelmnoprstuvy=,-"/.0', max_size=60))
def test_any_mount_text_is_read_or_refused(text: str) -> None:
    try:
        parse_mount(text)
        split_volume(text)
    except ValueError:
        return
