"""Certificates of a daemon and its clients: made, read, described, and turned into TLS contexts.

What is exported here needs only `ssl`. Everything else imports `cryptography` (tens of
milliseconds): `directory` has the verbs on a directory of six PEM files, `certificates` and
`keys` are values, `inspection` says what is wrong with a certificate. No module reads a clock.
"""

from wharfie.pki.contexts import client_context, server_context
from wharfie.pki.errors import InvalidTls, PkiError
from wharfie.pki.serving import ServerFiles, ServerTls

__all__ = [
    "InvalidTls",
    "PkiError",
    "ServerFiles",
    "ServerTls",
    "client_context",
    "server_context",
]
