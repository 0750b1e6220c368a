"""Contexts: named daemons, stored in the files of Docker's own client and shared with it.

`store` is the directory of them, `describing` reads `--docker host=…,ca=…`, `archive` is the form
in which one travels to another machine.
"""
