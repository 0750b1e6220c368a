"""Storage in an S3-compatible object store; `open_s3` needs the library of `wharfie[s3]`."""

from wharfie.registry.storage.s3.opening import open_s3

__all__ = ["open_s3"]
