"""The nouns of the engine: specs, records, states, the ports drivers implement, and errors.

One file a noun. A Protocol (a port) lives in the file of its noun; `daemon/wiring.py` is the
only place that chooses implementations. Nothing here opens, sends or sleeps.
"""
