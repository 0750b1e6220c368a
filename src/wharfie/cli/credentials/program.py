"""Credential helpers: programs named `docker-credential-<name>` that keep secrets.

A verb is the argument, the rest goes through stdin and stdout: `get` and `erase` read a server's
name, `store` an object `{ServerURL, Username, Secret}`, which `get` writes.
Source: the docker-credential-helpers project's protocol.
"""

from __future__ import annotations

import os

from wharfie.cli.errors import CommandError
from wharfie.client.dialing import error_words
from wharfie.formats.gojson import JsonError, dumps, loads

_NOT_FOUND = "credentials not found in native keychain"


class CredentialHelper:
    """A helper program."""

    def __init__(self, name: str) -> None:
        self._program = f"docker-credential-{os.path.basename(name)}"

    def get(self, server: str) -> tuple[str, str] | None:
        """Return user and secret, None when it has none.

        Raises:
            CommandError: it fails, or is not there.
        """
        code, out = self._run("get", server.encode(), "getting")
        if code:
            if out.strip() == _NOT_FOUND:
                return None
            raise CommandError(self._failure("getting", code, out))
        try:
            document = loads(out.encode())
        except JsonError as error:
            raise CommandError(f"error getting credentials - {self._program}: {error}") from None
        if not isinstance(document, dict):
            return None
        return str(document.get("Username") or ""), str(document.get("Secret") or "")

    def store(self, server: str, user: str, secret: str) -> None:
        """Keep a secret.

        Raises:
            CommandError: it fails, or is not there.
        """
        body = dumps({"ServerURL": server, "Username": user, "Secret": secret})
        code, out = self._run("store", body.encode(), "storing")
        if code:
            raise CommandError(self._failure("storing", code, out))

    def erase(self, server: str) -> None:
        """Forget a secret; one that is not there is no error.

        Raises:
            CommandError: it fails, or is not there.
        """
        code, out = self._run("erase", server.encode(), "erasing")
        if code and out.strip() != _NOT_FOUND:
            raise CommandError(self._failure("erasing", code, out))

    def _run(self, verb: str, data: bytes, doing: str) -> tuple[int, str]:
        import subprocess

        try:
            done = subprocess.run(
                [self._program, verb], input=data, stdout=subprocess.PIPE, check=False
            )
        except FileNotFoundError:
            raise CommandError(
                f'error {doing} credentials - err: exec: "{self._program}": executable file not '
                "found in $PATH, out: ``"
            ) from None
        except OSError as error:
            raise CommandError(
                f"error {doing} credentials - err: fork/exec {self._program}: "
                f"{error_words(error)}, out: ``"
            ) from None
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def _failure(self, doing: str, code: int, out: str) -> str:
        return f"error {doing} credentials - err: exit status {code}, out: `{out.strip()}`"
