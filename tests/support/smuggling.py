"""Requests that two readers could split differently: each hides `VICTIM` from one of them.

What a front takes for the body of one request must never be executed as another one. All of them
are whole: after the last byte the client ends its direction, and the server has to end too.
"""

from __future__ import annotations

VICTIM = b"DELETE /containers/victim?force=1 HTTP/1.1\r\nHost: h\r\n\r\n"
_SIZE = b"%d" % len(VICTIM)
_CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(VICTIM), VICTIM)


def post(
    *fields: bytes, body: bytes = VICTIM, line: bytes = b"POST /networks/absent/connect HTTP/1.1"
) -> bytes:
    """A request with these fields and this body; `/networks/absent/connect` reads its body."""
    return b"\r\n".join((line, b"Host: h", b"Content-Type: application/json", *fields, b"", body))


def _chunks(first: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=first)


_LENGTHS = {
    "two lengths": (b"Content-Length: 0", b"Content-Length: " + _SIZE),
    "two lengths, other order": (b"Content-Length: " + _SIZE, b"Content-Length: 0"),
    "list of lengths": (b"Content-Length: 0, " + _SIZE,),
    "signed": (b"Content-Length: +0",),
    "negative": (b"Content-Length: -0",),
    "hexadecimal": (b"Content-Length: 0x0",),
    "with a dot": (b"Content-Length: 0.0",),
    "other digits": ("Content-Length: \u0660".encode(),),
    "vertical tab": (b"Content-Length:\x0b0",),
    "form feed": (b"Content-Length: 0\x0c",),
    "inner space": (b"Content-Length: 0 0",),
    "overflowing": (b"Content-Length: 18446744073709551616",),
    "space before the colon": (b"Content-Length : " + _SIZE,),
    "tab before the colon": (b"Content-Length\t: " + _SIZE,),
    "NUL in the name": (b"Content-Length\0: " + _SIZE,),
    "folded": (b"Content-Length:", b" " + _SIZE),
    "folded by a tab": (b"X: y", b"\tContent-Length: " + _SIZE),
    "bare line feed": (b"X: y\nContent-Length: " + _SIZE,),
    "bare carriage return": (b"X: y\rContent-Length: " + _SIZE,),
    "no name": (b": x",),
    "no colon": (b"Content-Length",),
}
_ENCODINGS = {
    "both lengths": (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "both lengths, other order": (b"Transfer-Encoding: chunked", b"Content-Length: 4"),
    "both in other case": (b"content-length: 4", b"TRANSFER-ENCODING: Chunked"),
    "unknown coding": (b"Transfer-Encoding: xchunked",),
    "chunked not last": (b"Transfer-Encoding: chunked, identity",),
    "identity": (b"Transfer-Encoding: identity", b"Content-Length: 0"),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked",),
    "two fields": (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
    "quoted": (b'Transfer-Encoding: "chunked"',),
    "vertical tab before": (b"Transfer-Encoding:\x0bchunked",),
    "space before the colon": (b"Transfer-Encoding : chunked",),
    "NUL behind": (b"Transfer-Encoding: chunked\0",),
    "folded": (b"Transfer-Encoding:", b" chunked"),
    "empty": (b"Transfer-Encoding:", b"Content-Length: 0"),
    "gzip": (b"Transfer-Encoding: gzip, chunked",),
}
_CHUNKS = {
    "size with a sign": b"+0\r\n\r\n" + VICTIM,
    "hexadecimal mark": b"0x0\r\n\r\n" + VICTIM,
    "leading space": b" 0\r\n\r\n" + VICTIM,
    "underscore": b"0_0\r\n\r\n" + VICTIM,
    "no size": b"\r\n\r\n" + VICTIM,
    "overflowing size": b"10000000000000000\r\n" + VICTIM,
    "size ended by a line feed": b"0\n\n" + VICTIM,
    "line feed in an extension": b"0;a=\n\r\n\r\n" + VICTIM,
    "carriage return in an extension": b"0;a=\r\x20\r\n\r\n" + VICTIM,
    "data longer than its size": b"1\r\nab\r\n0\r\n\r\n" + VICTIM,
    "data ended by a line feed": b"1\r\na\n0\r\n\r\n" + VICTIM,
    "trailer with a line feed": b"0\r\nX: y\n\n" + VICTIM,
    "trailer without an end": b"0\r\nX: y\r\n" + VICTIM[:-2],
}
_LINES = {
    "HTTP/0.9": b"GET /_ping\r\n\r\n" + VICTIM,
    "HTTP/1.2": b"GET /_ping HTTP/1.2\r\nHost: h\r\n\r\n" + VICTIM,
    "HTTP/2.0": b"GET /_ping HTTP/2.0\r\nHost: h\r\n\r\n" + VICTIM,
    "PRI of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + VICTIM,
    "lower-case version": b"GET /_ping http/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "two targets": b"GET /_ping /x HTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "tab in the line": b"GET\t/_ping\tHTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "NUL in the target": b"GET /_ping\0 HTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "lower-case method": b"get /_ping HTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "unknown method": b"SMUGGLE /_ping HTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "two hosts": b"GET /_ping HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n" + VICTIM,
    "no host": b"GET /_ping HTTP/1.1\r\n\r\n" + VICTIM,
    "another host in the target": b"GET http://evil/_ping HTTP/1.1\r\nHost: h\r\n\r\n" + VICTIM,
    "bare line feeds": b"GET /_ping HTTP/1.1\nHost: h\n\n" + VICTIM,
    "chunked in HTTP/1.0": post(
        b"Transfer-Encoding: chunked",
        body=b"0\r\n\r\n" + VICTIM,
        line=b"POST /networks/absent/connect HTTP/1.0",
    ),
    "more behind HTTP/1.0": b"GET /_ping HTTP/1.0\r\n\r\n" + VICTIM,
    "more behind Connection: close": b"GET /_ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    + VICTIM,
    "a body of GET": post(b"Content-Length: " + _SIZE, line=b"GET /_ping HTTP/1.1"),
    "a body of HEAD": post(b"Content-Length: " + _SIZE, line=b"HEAD /_ping HTTP/1.1"),
    "a body of OPTIONS": post(b"Content-Length: " + _SIZE, line=b"OPTIONS /x HTTP/1.1"),
    "a body nobody reads": post(b"Content-Length: " + _SIZE, line=b"POST /nothing HTTP/1.1"),
    "a chunked body nobody reads": post(
        b"Transfer-Encoding: chunked", body=_CHUNKED, line=b"DELETE /nothing HTTP/1.1"
    ),
    "a body that is refused": post(b"Content-Length: " + _SIZE, b"Content-Encoding: gzip"),
    "behind an expectation": post(b"Content-Length: " + _SIZE, b"Expect: 100-continue"),
    "behind an unknown expectation": post(b"Content-Length: " + _SIZE, b"Expect: 200-ok"),
    "behind an upgrade": b"POST /containers/victim/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: h\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + VICTIM,
    "behind an upgrade with a body": b"POST /containers/victim/attach?stream=1 HTTP/1.1\r\n"
    b"Host: h\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}" + VICTIM,
    "behind h2c": b"GET /containers/victim/attach/ws HTTP/1.1\r\nHost: h\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    + VICTIM,
}

CORPUS: dict[str, bytes] = {
    **{f"length: {name}": post(*fields) for name, fields in _LENGTHS.items()},
    **{f"encoding: {name}": post(*fields, body=_CHUNKED) for name, fields in _ENCODINGS.items()},
    **{f"chunk: {name}": _chunks(body) for name, body in _CHUNKS.items()},
    **{f"line: {name}": data for name, data in _LINES.items()},
}
# Two requests to every reader, here for comparison: these do delete.
HONEST: dict[str, bytes] = {
    "pipelined": post(b"Content-Length: 2", body=b"{}") + VICTIM,
    "behind a chunked body": post(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n")
    + VICTIM,
    "behind an extension": post(b"Transfer-Encoding: chunked", body=b"2;a=b\r\n{}\r\n0\r\n\r\n")
    + VICTIM,
}
