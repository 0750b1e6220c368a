"""The registry client: pulls from, pushes to and asks registries over the OCI distribution API.

`RemoteRegistries` is what the composition root makes. Nothing a registry says is trusted: names,
sizes, digests, lengths, redirects and realms are checked before they are acted on.
"""

from wharfie.registry.client.registries import RemoteRegistries
from wharfie.registry.client.repository import RemoteBlob, RemoteRepository
from wharfie.registry.client.settings import InvalidSetting, RegistrySettings, settings_of

__all__ = [
    "InvalidSetting",
    "RegistrySettings",
    "RemoteBlob",
    "RemoteRegistries",
    "RemoteRepository",
    "settings_of",
]
