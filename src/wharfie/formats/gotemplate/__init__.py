"""Go's text/template over plain Python values: parse once, execute on dicts, lists and records.

`lexing` cuts the text into tokens, `parsing` makes the tree of `nodes`, `executing` walks it,
`functions` and `formatting` hold the built-ins and fmt's verbs. Nothing here does I/O, and work
is bounded: hostile templates end in a `TemplateError`, never in a hang.
"""

from wharfie.formats.gotemplate.errors import TemplateError
from wharfie.formats.gotemplate.executing import execute
from wharfie.formats.gotemplate.parsing import Template, parse
from wharfie.formats.gotemplate.values import NO_VALUE, GoMap, NilList, NilMap, Record, Struct

__all__ = [
    "NO_VALUE",
    "GoMap",
    "NilList",
    "NilMap",
    "Record",
    "Struct",
    "Template",
    "TemplateError",
    "execute",
    "parse",
]
