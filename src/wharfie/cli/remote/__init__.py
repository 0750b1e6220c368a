"""Opening this machine's daemon to other machines: certificates, `daemon.json`, bundles.

A bundle is a context as `docker context export` writes it: the client imports it, with our
command line or the genuine one, and nobody edits a file.
"""
