"""Manifests as a registry reads them."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.oci.descriptor import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)
from wharfie.registry.documents import read_document
from wharfie.registry.errors import Refused

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def pointer(digest: str, **members: object) -> dict:
    return {"mediaType": "application/x", "digest": digest, "size": 1, **members}


def read(document: dict, media_type: str = ""):
    return read_document(json.dumps(document).encode(), media_type)


@pytest.mark.parametrize("kind", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_manifest_needs_its_config_and_layers(kind: str) -> None:
    found = read(
        {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": pointer(A),
            "layers": [pointer(B), pointer(C, urls=["https://example.com"])],
            "subject": pointer(C),
        }
    )
    assert found.media_type == kind
    assert list(found.digests) == [A, B]
    assert found.subject == C
    assert found.artifact_type == "application/x"


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_needs_its_manifests(kind: str) -> None:
    found = read({"schemaVersion": 2, "mediaType": kind, "manifests": [pointer(A)]})
    assert list(found.digests) == [A]
    assert found.artifact_type == ""


def test_the_kind_of_a_silent_document_is_told_by_its_members() -> None:
    assert read({"schemaVersion": 2, "config": pointer(A)}).media_type == OCI_MANIFEST
    assert read({"schemaVersion": 2, "manifests": []}).media_type == OCI_INDEX
    assert read({"schemaVersion": 2, "config": pointer(A)}, DOCKER_MANIFEST).is_named is False


def test_null_is_nothing() -> None:
    found = read(
        {
            "schemaVersion": 2,
            "config": pointer(A, annotations=None, urls=None),
            "layers": None,
            "manifests": None,
            "subject": None,
            "annotations": None,
        }
    )
    assert list(found.digests) == [A]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: (
    st.lists(inner) | st.dictionaries(
        st.sampled_from(
            ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "digest",
             "size", "urls", "annotations", "artifactType", "fsLayers"]
        ), inner)
)))  # fmt: skip
def test_anything_is_read_or_refused(value: object) -> None:
    """Never another exception: this is what strangers send."""
    with contextlib.suppress(Refused):
        assert read_document(json.dumps(value).encode(), "").media_type


@given(st.binary())
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        read_document(data, OCI_MANIFEST)
