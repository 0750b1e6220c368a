"""A FUSE file system that answers until it is told to be dead, then never again.

    python dead_mount.py TARGET DEAD

Mounts itself on TARGET, a directory with one file "file" of seven bytes. Once a file DEAD exists
it takes requests and answers none, and says "dead" at the first: whoever asks is stuck in the
kernel, as with a server of NFS that has gone, and not even SIGKILL helps, until this process ends.
"""

import ctypes
import os
import struct
import sys

HEADER = struct.Struct("<IIQQIIII")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
LOOKUP, GETATTR, OPEN, READ, INIT, OPENDIR, READDIR = 1, 3, 14, 15, 26, 27, 28
FORGET, BATCH_FORGET, RELEASE, RELEASEDIR, FLUSH, ACCESS = 2, 42, 18, 29, 25, 34
DATA = b"content"


def attr(node: int) -> bytes:
    mode, size = (0o40755, 0) if node == 1 else (0o100644, len(DATA))
    return ATTR.pack(node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)[:88]


def answer(opcode: int, node: int, body: bytes) -> tuple[int, bytes]:
    """Error number and body of the reply."""
    if opcode == INIT:
        return 0, struct.pack(
            "<IIIIHHIIHHIIIIII", 7, 31, 0, 0, 8, 8, 65536, 1, 1, 0, 0, 0, 0, 0, 0, 0
        )
    if opcode == LOOKUP:
        if body.rstrip(b"\0") != b"file":
            return 2, b""
        return 0, struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + attr(2)
    if opcode == GETATTR:
        return 0, struct.pack("<QII", 0, 0, 0) + attr(node)
    if opcode in (OPEN, OPENDIR):
        return 0, struct.pack("<QII", 1, 1, 0)  # direct I/O: every read is asked here
    if opcode == READ:
        offset, size = struct.unpack_from("<QI", body, 8)
        return 0, DATA[offset : offset + size]
    if opcode in (READDIR, RELEASE, RELEASEDIR, FLUSH, ACCESS):
        return 0, b""
    return 38, b""


def main() -> None:
    target, dead = sys.argv[1:]
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"fuse", target.encode(), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    print("mounted", flush=True)
    said = False
    while True:
        data = os.read(fuse, 1 << 17)
        _, opcode, unique, node, *_ = HEADER.unpack_from(data)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        if os.path.exists(dead):
            if not said:
                said = True
                print("dead", flush=True)
            continue
        error, body = answer(opcode, node, data[HEADER.size :])
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


if __name__ == "__main__":
    main()
