from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wharfie.drivers.volume import LocalVolumeDriver
from wharfie.model.errors import InvalidArgument
from wharfie.model.volume import Volume


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[LocalVolumeDriver]:
    driver = LocalVolumeDriver(str(tmp_path))
    yield driver
    await driver.close()


def volume(name: str, **options: str) -> Volume:
    return Volume(name=name, mountpoint="", created="", options=options)


async def test_data_survives_a_second_create(driver: LocalVolumeDriver) -> None:
    await driver.create(volume("data"))
    data = Path(driver.mountpoint("data"))
    assert data.stat().st_mode & 0o777 == 0o755
    (data / "file").write_bytes(b"12345")
    await driver.create(volume("data"))
    assert await driver.usage(volume("data")) == 5


async def test_removed_data_leaves_the_disk(driver: LocalVolumeDriver, tmp_path: Path) -> None:
    await driver.create(volume("data"))
    Path(driver.mountpoint("data"), "file").write_text("x")
    await driver.remove(volume("data"))
    assert not (tmp_path / "volumes/data").exists()
    await driver.remove(volume("data"))
    await driver.settle()
    assert not list((tmp_path / "tmp").iterdir())
    assert await driver.usage(volume("data")) == 0


async def test_options_are_refused_by_name(driver: LocalVolumeDriver) -> None:
    with pytest.raises(InvalidArgument, match="no quota support"):
        await driver.create(volume("data", size="1G"))
    with pytest.raises(InvalidArgument, match="colour"):
        await driver.create(volume("data", colour="red"))
    with pytest.raises(InvalidArgument, match="device"):
        await driver.create(volume("data", type="tmpfs"))


async def test_unknown_data_is_put_away_never_deleted(
    driver: LocalVolumeDriver, tmp_path: Path
) -> None:
    for name in ("known", "lost", "empty"):
        await driver.create(volume(name))
        if name != "empty":
            Path(driver.mountpoint(name), "file").write_text(name)
    assert list(await driver.set_aside(["known"])) == ["lost"]
    assert (tmp_path / "volumes/known/_data/file").exists()
    assert (tmp_path / "volumes/.lost/lost-0/_data/file").read_text() == "lost"
    assert not (tmp_path / "volumes/empty").exists()
    await driver.create(volume("lost"))
    assert await driver.usage(volume("lost")) == 0
