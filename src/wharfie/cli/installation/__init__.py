"""Putting the engine into a machine and taking it out again: `wharfie system install|uninstall`.

`plan.py` says what shall be there, `units.py` what the units say; `host.py` makes it so, keeps a
record of what was made, and by that record reverts it.
"""
