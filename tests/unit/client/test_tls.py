from __future__ import annotations

from pathlib import Path

import pytest

from support.tls import make_ca, save, sign_anything
from wharfie.client.endpoint import TlsOptions
from wharfie.client.errors import EndpointError
from wharfie.client.tls import make_context, matches, name_problem


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("a.b", "A.B", True),
        ("*.b", "a.b", True),
        ("*.b", "a.c.b", False),
        ("*", "a", True),
        ("a*.b", "ax.b", False),
        ("a.b", "a.b.", True),
        ("a.b", "x.a.b", False),
    ],
)
def test_a_star_covers_one_whole_label(pattern: str, host: str, fits: bool) -> None:
    assert matches(pattern, host) is fits


def test_names_are_compared_as_go_does() -> None:
    certificate = sign_anything(make_ca(), "cn", dns=["a.b", "*.c"]).certificate
    assert name_problem(certificate, "a.b") == ""
    assert name_problem(certificate, "x.c") == ""
    problem = name_problem(certificate, "other")
    assert problem == "x509: certificate is valid for a.b, *.c, not other"
    problem = name_problem(certificate, "10.1.1.1")
    assert problem.endswith("for 10.1.1.1 because it doesn't contain any IP SANs")


def test_files_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="open /nonexistent: no such file or directory"):
        make_context(TlsOptions(ca="/nonexistent"))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(EndpointError, match="failed to append"):
        make_context(TlsOptions(ca=str(tmp_path / "junk.pem")))
    ca = make_ca()
    one = save(tmp_path, "one", sign_anything(ca, "one"))
    two = save(tmp_path, "two", sign_anything(ca, "two"))
    with pytest.raises(EndpointError, match="could not load X509 key pair"):
        make_context(TlsOptions(cert=one.cert, key=two.key, verify=False))
    make_context(TlsOptions(cert=one.cert, key=one.key, verify=False))
