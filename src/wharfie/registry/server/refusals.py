"""How a refusal is spelled: the one table of statuses, and the specification's JSON.

    {"errors": [{"code": "BLOB_UNKNOWN", "message": "…", "detail": …}]}

Source: OCI distribution spec 1.1, "Error Codes".
"""

from __future__ import annotations

import msgspec

from wharfie.registry.errors import Code, Refused
from wharfie.web.reply import Response, encode_fields

STATUSES = {
    Code.BLOB_UNKNOWN: 404,
    Code.BLOB_UPLOAD_INVALID: 400,
    Code.BLOB_UPLOAD_UNKNOWN: 404,
    Code.DIGEST_INVALID: 400,
    Code.MANIFEST_BLOB_UNKNOWN: 404,
    Code.MANIFEST_INVALID: 400,
    Code.MANIFEST_UNKNOWN: 404,
    Code.NAME_INVALID: 400,
    Code.NAME_UNKNOWN: 404,
    Code.SIZE_INVALID: 400,
    Code.UNAUTHORIZED: 401,
    Code.DENIED: 403,
    Code.UNSUPPORTED: 405,
    Code.TOOMANYREQUESTS: 429,
    Code.PAGINATION_NUMBER_INVALID: 400,
    Code.RANGE_INVALID: 416,
    Code.TAG_INVALID: 400,
    Code.TOO_LARGE: 413,
    Code.UNAVAILABLE: 503,
    Code.UNKNOWN: 500,
}
_SPELLED = {
    # The specification has no code for these two; clients know the ones it has.
    Code.TOO_LARGE: Code.SIZE_INVALID,
    Code.RANGE_INVALID: Code.BLOB_UPLOAD_INVALID,
}


def refusal_reply(refused: Refused, headers: bytes = b"") -> Response:
    """The answer to a refused request.

    Args:
        refused: why.
        headers: fields besides, from `encode_fields`.
    """
    body = msgspec.json.encode({"errors": [_entry(one) for one in (refused, *refused.others)]})
    return Response(
        STATUSES[refused.code],
        body,
        "application/json; charset=utf-8",
        headers + encode_fields(*refused.headers),
    )


def _entry(refused: Refused) -> dict[str, object]:
    code = _SPELLED.get(refused.code, refused.code)
    entry: dict[str, object] = {"code": str(code), "message": refused.message}
    if refused.detail is not None:
        entry["detail"] = refused.detail
    return entry
