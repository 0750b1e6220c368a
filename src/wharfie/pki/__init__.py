"""Certificates of a daemon and its clients: made, read, described, and turned into TLS contexts.

`contexts` needs only `ssl`; everything else imports `cryptography` (tens of milliseconds), so
import the module you need. `files` is the directory of six PEM files, `certificates` and `keys`
are values, `inspection` says what is wrong with a certificate. No module reads a clock.
"""
