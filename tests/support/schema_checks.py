"""What schemathesis holds against an answer, named by SCHEMATHESIS_HOOKS.

An answer from 500 on must have a cause that it tells: a message that is neither empty nor an
excuse. Where nothing can have failed (the host and other parties are not asked) there is none.
"""

import json
import re

import schemathesis

ID_PREFIX = re.compile("[0-9a-f]+")
EXCUSES = ("internal error", "Traceback", "bug")


@schemathesis.check
def caused(ctx, response, case) -> None:
    """No answer from 500 on without a cause."""
    if response.status_code < 500:
        return
    try:
        message = json.loads(response.content)["message"]
    except (ValueError, KeyError, TypeError):
        message = ""
    if not message or any(excuse in message for excuse in EXCUSES):
        raise AssertionError(
            f"{case.method} {case.path}: {response.status_code} without a cause: "
            f"{response.content[:300]!r}"
        )


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Streams without an end are asked for one, whatever was left out or made wrong."""
    ends = {"/events": {"until": "1"}, "/containers/{ref}/stats": {"stream": "0", "one-shot": "1"}}
    if case.path in ends:
        case.query = {**(case.query or {}), **ends[case.path]}
    reference = str((case.path_parameters or {}).get("ref", ""))
    if case.path == "/containers/{ref}/wait" and ID_PREFIX.fullmatch(reference):
        # One ID in sixteen begins with "0", and a wait for a running container has no end.
        case.path_parameters = {**case.path_parameters, "ref": f"no-{reference}"}
