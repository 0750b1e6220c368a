"""Bodies of the Engine API in its newest version: envelopes made of the engine's records.

What Docker itself stores and echoes (Config, HostConfig, IPAM …) is defined in `model/`; here are
the replies around it, each with `of(...)`. A field is null, empty or absent exactly where genuine
Docker's is. `errors.py` is the one table of statuses.
"""
