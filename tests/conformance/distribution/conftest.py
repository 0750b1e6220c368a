"""A registry for each module: with deletion, as the specification's fourth workflow needs it."""

from collections.abc import Iterator

import pytest

from support.registry_server import RegistryServer
from wharfie.registry.config import Config, StorageConfig


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    config = Config(storage=StorageConfig(delete=True))
    with RegistryServer(tmp_path_factory.mktemp("registry"), config) as server:
        yield server
