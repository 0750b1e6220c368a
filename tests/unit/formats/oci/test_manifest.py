import json

import pytest

from wharfie.formats.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.oci.manifest import (
    Index,
    Manifest,
    encode_index,
    encode_manifest,
    is_image,
    parse_index,
    parse_manifest,
)

DIGEST = "sha256:" + "0" * 64
CONFIG = {"mediaType": "c", "digest": DIGEST, "size": 2}


def manifest(**members: object) -> bytes:
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [], **members}
    ).encode()


def test_a_manifest_comes_back_as_it_was() -> None:
    parsed = parse_manifest(manifest(layers=[CONFIG]))
    assert isinstance(parsed, Manifest)
    assert parse_manifest(encode_manifest(parsed)) == parsed
    assert json.loads(encode_manifest(parsed))["schemaVersion"] == 2


def test_an_index_comes_back_as_it_was() -> None:
    data = json.dumps({"schemaVersion": 2, "manifests": [CONFIG]}).encode()
    index = parse_index(data)
    again = parse_manifest(encode_index(index), OCI_INDEX)
    assert isinstance(again, Index)
    assert again.manifests == index.manifests


def test_go_nulls_are_absent_members() -> None:
    parsed = parse_manifest(manifest(layers=None, annotations=None, subject=None))
    assert isinstance(parsed, Manifest)
    assert parsed.layers == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        manifest(config=None),
        manifest(config={**CONFIG, "digest": "sha256:../x"}),
        manifest(config={**CONFIG, "digest": "sha512:" + "0" * 128}),
        manifest(config={**CONFIG, "size": -1}),
        manifest(config={**CONFIG, "size": 1e300}),
        manifest(layers=[None]),
        manifest(layers=[CONFIG] * 501),
        manifest(manifests=[CONFIG]),
        manifest(mediaType="application/json"),
        manifest(mediaType=7),
        manifest(fsLayers=[]),
        b" " * (5 << 20),
    ],
)
def test_a_bad_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        parse_manifest(data)


def test_the_announced_type_must_be_the_documents_own() -> None:
    with pytest.raises(DocumentError):
        parse_manifest(manifest(), OCI_INDEX)


def test_an_index_has_bounds() -> None:
    with pytest.raises(DocumentError):
        parse_index(json.dumps({"manifests": [CONFIG] * 1001}).encode())


def test_attestations_are_no_images() -> None:
    entry = {"vnd.docker.reference.type": "attestation-manifest"}
    assert not is_image(Descriptor(media_type="m", digest=DIGEST, size=1, annotations=entry))
    assert is_image(Descriptor(media_type="m", digest=DIGEST, size=1))
