"""Operations of the Engine API, one module per tag; large tags are split by noun."""

from __future__ import annotations

from wharfie.api.routes import (
    builds,
    commit,
    container_files,
    container_stats,
    container_streams,
    containers,
    elsewhere,
    execs,
    image_transfer,
    images,
    networks,
    registries,
    system,
    upkeep,
    volumes,
)

ALL = [
    operation
    for module in (
        containers,
        container_streams,
        commit,
        container_files,
        container_stats,
        execs,
        images,
        image_transfer,
        builds,
        registries,
        networks,
        volumes,
        system,
        upkeep,
        elsewhere,
    )
    for operation in module.routes.operations
]
"""Every operation; of two that match a path, the earlier one is taken."""
