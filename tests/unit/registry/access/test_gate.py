"""The gate: challenges, refusals, and that a token's scopes are all its bearer has."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from wharfie.model.caller import Caller
from wharfie.registry.access.gate import Challenges, Gate
from wharfie.registry.access.htpasswd import Accounts
from wharfie.registry.access.keys import open_signer
from wharfie.registry.access.limits import Limits
from wharfie.registry.access.logins import Logins
from wharfie.registry.access.rules import Rule, Rules, all_accounts, everything
from wharfie.registry.access.scopes import Scope
from wharfie.registry.access.tokens import Issuer
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Action, Ask, Asking

NOW = 1_800_000_000.0
PULL = Ask(Action.PULL, "team/app")
PUSH = Ask(Action.PUSH, "team/app")
LIST = Ask(Action.CATALOGUE, "")
OPEN = Rules([Rule(["anonymous"], ["public/*"]), Rule(["alice"], ["team/*"])], {})


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"alice:{hashed}\nbob:{hashed}\n")
    found = Accounts(str(tmp_path / "htpasswd"))
    yield found
    found.close()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    signer = open_signer(str(tmp_path / "key.pem"))
    return Issuer(signer, name="us", service="us", life=300, refresh_life=9999, clock=lambda: NOW)


def gate(
    rules: Rules,
    *,
    accounts: Accounts | None = None,
    issuer: Issuer | None = None,
    challenges: Challenges | None = None,
    requests: float = 0,
    failures: float = 0,
) -> Gate:
    limits = Limits(requests=requests, burst=requests, failures=failures, clock=lambda: 0.0)
    logins = Logins(accounts, issuer.verifier if issuer else None, limits, [], rules)
    if challenges is None:
        challenges = Challenges(realm="ours" if accounts else "")
        if issuer:
            challenges = Challenges(realm="/auth/token", service="us")
    return Gate(logins, rules, limits, challenges, is_issuer=True)


def asking(authorization: str = "", *, subject: str = "", address: str = "1.2.3.4:5") -> Asking:
    return Asking(
        caller=Caller(transport="tls" if subject else "tcp", address=address, subject=subject),
        method="GET",
        path="/v2/",
        headers={"authorization": authorization} if authorization else {},
        host="reg.example:5000",
        is_secure=True,
    )


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(issuer: Issuer, subject: str, *scopes: Scope) -> str:
    return "Bearer " + issuer.issue(subject, scopes)


async def refusal(of: Gate, request: Asking, *asks: Ask) -> Refused:
    with pytest.raises(Refused) as caught:
        await of.decide(request, asks)
    return caught.value


async def test_without_access_control_everything_goes() -> None:
    found = await gate(everything()).decide(asking(), [PULL, PUSH])
    assert found.granted == [PULL, PUSH]
    assert found.identity.is_anonymous
    assert (await gate(everything()).decide(asking(), [])).granted == []


async def test_accounts_by_basic(accounts: Accounts) -> None:
    ours = gate(all_accounts(), accounts=accounts)
    found = await ours.decide(asking(basic("alice", "secret")), [PULL, PUSH])
    assert (found.identity.name, len(found.granted)) == ("alice", 2)
    for wrong in ("", basic("alice", "x"), basic("eve", "secret"), "Basic !", "Basic YQ==", "x"):
        for asks in ([], [PULL]):
            refused = await refusal(ours, asking(wrong), *asks)
            assert refused.code is Code.UNAUTHORIZED
            assert refused.headers == (("WWW-Authenticate", 'Basic realm="ours"'),)
    refused = await refusal(ours, asking("Bearer e30.e30.AA"), PULL)
    assert refused.code is Code.UNAUTHORIZED


async def test_who_is_known_and_may_not_is_denied(accounts: Accounts) -> None:
    ours = gate(OPEN, accounts=accounts)
    assert (await refusal(ours, asking(basic("bob", "secret")), PULL)).code is Code.DENIED
    assert (await refusal(ours, asking(basic("alice", "secret")), PUSH)).code is Code.DENIED
    await ours.decide(asking(basic("alice", "secret")), [PULL])


async def test_anonymous_reads_only_what_is_open(accounts: Accounts) -> None:
    ours = gate(OPEN, accounts=accounts)
    await ours.decide(asking(), [Ask(Action.PULL, "public/a")])
    for ask in (PULL, Ask(Action.PUSH, "public/a"), Ask(Action.PULL, "public/a/b")):
        assert (await refusal(ours, asking(), ask)).code is Code.UNAUTHORIZED
    # Wrong credentials are no better than none: they are told.
    refused = await refusal(ours, asking(basic("a", "b")), Ask(Action.PULL, "public/a"))
    assert refused.code is Code.UNAUTHORIZED


async def test_without_anything_to_log_in_with_there_is_no_challenge() -> None:
    refused = await refusal(gate(OPEN), asking(), PULL)
    assert (refused.code, refused.headers) == (Code.DENIED, ())


async def test_a_token_is_challenged_for_with_realm_and_scope(issuer: Issuer) -> None:
    ours = gate(all_accounts(), issuer=issuer)
    refused = await refusal(ours, asking(), PULL, PUSH, Ask(Action.PULL, "a/b", is_optional=True))
    assert refused.headers == ((
        "WWW-Authenticate",
        'Bearer realm="https://reg.example:5000/auth/token",service="us",'
        'scope="repository:team/app:pull,push repository:a/b:pull"',
    ),)  # fmt: skip
    refused = await refusal(ours, asking(), LIST)
    assert 'scope="registry:catalog:*"' in refused.headers[0][1]
    refused = await refusal(ours, asking())
    assert "scope" not in refused.headers[0][1]


async def test_a_token_may_what_it_says_and_nothing_else(issuer: Issuer) -> None:
    ours = gate(all_accounts(), issuer=issuer)
    token = bearer(issuer, "alice", Scope("repository", "team/app", ["pull"]))
    found = await ours.decide(asking(token), [PULL])
    assert found.identity.name == "alice"
    # The rules would let the account do all this; the token was not given for it.
    for ask in (PUSH, Ask(Action.PULL, "team/other"), Ask(Action.DELETE, "team/app"), LIST):
        refused = await refusal(ours, asking(token), ask)
        assert refused.code is Code.UNAUTHORIZED
        assert 'error="insufficient_scope"' in refused.headers[0][1]
    refused = await refusal(ours, asking("Bearer nonsense"), PULL)
    assert 'error="invalid_token"' in refused.headers[0][1]


async def test_a_refresh_token_opens_nothing(issuer: Issuer) -> None:
    ours = gate(everything(), issuer=issuer)
    refused = await refusal(ours, asking("Bearer " + issuer.refresh("alice", "f")), PULL)
    assert refused.code is Code.UNAUTHORIZED


async def test_a_token_for_anybody_passes_the_base(issuer: Issuer) -> None:
    ours = gate(OPEN, issuer=issuer)
    assert (await ours.decide(asking(bearer(issuer, "")), [])).identity.is_anonymous


async def test_what_is_optional_may_be_missing(issuer: Issuer) -> None:
    ours = gate(all_accounts(), issuer=issuer)
    token = bearer(issuer, "alice", Scope("repository", "team/app", ["push"]))
    found = await ours.decide(asking(token), [PUSH, Ask(Action.PULL, "secret/x", is_optional=True)])
    assert found.granted == [PUSH]


async def test_the_catalogue_shows_what_may_be_pulled(accounts: Accounts, issuer: Issuer) -> None:
    ours = gate(OPEN, accounts=accounts, issuer=issuer)
    names = ["public/a", "team/app", "team/secret/x"]
    assert await ours.visible(asking(), names) == ["public/a"]
    assert await ours.visible(asking(basic("alice", "secret")), names) == ["public/a", "team/app"]
    assert await ours.visible(asking(basic("alice", "wrong")), names) == []
    assert await ours.visible(asking(bearer(issuer, "alice")), names) == ["public/a", "team/app"]


async def test_another_servers_catalogue_scope_stands_for_all(issuer: Issuer) -> None:
    limits = Limits(requests=0, burst=0, failures=0, clock=lambda: 0.0)
    ours = Gate(
        Logins(None, issuer.verifier, limits, [], all_accounts()),
        all_accounts(),
        limits,
        Challenges(realm="https://auth.example/token", service="us"),
        is_issuer=False,
    )
    every = bearer(issuer, "", Scope("registry", "catalog", ["*"]))
    assert await ours.visible(asking(every), ["a"]) == ["a"]
    assert await ours.visible(asking(bearer(issuer, "alice")), ["a"]) == []
    refused = await refusal(ours, asking(), PULL)
    assert 'realm="https://auth.example/token"' in refused.headers[0][1]


@pytest.mark.parametrize(
    ("subject", "may"),
    [
        ("CN=ci", True), ("O=Example,CN=ci", True), ("CN=ci+OU=x,O=y", True), ("", False),
        ("CN=eve", False), (r"OU=x\,CN=ci", False), (r"O=x\,CN=ci,CN=eve", False),
        (r"CN=ci\,O=y", False), ("OU=ci", False),
    ],
)  # fmt: skip
async def test_certificates_are_known_by_their_common_name(subject: str, may: bool) -> None:
    ours = gate(Rules([Rule(["cert:ci"], ["team/*"])], {}))
    if may:
        found = await ours.decide(asking(subject=subject), [PULL])
        assert found.identity.name == "cert:ci"
    else:
        assert (await refusal(ours, asking(subject=subject), PULL)).code is Code.DENIED


async def test_a_certificate_is_no_password(accounts: Accounts) -> None:
    # As with Docker's: with clientcas and htpasswd one needs both.
    ours = gate(all_accounts(), accounts=accounts)
    for asks in ([], [PULL]):
        refused = await refusal(ours, asking(subject="CN=alice"), *asks)
        assert refused.code is Code.UNAUTHORIZED
        assert refused.headers
    await ours.decide(asking(basic("alice", "secret"), subject="CN=other"), [PULL])
    named = gate(Rules([Rule(["*"], ["team/*"]), Rule(["cert:ci"], ["ci/*"])], {}),
                 accounts=accounts)  # fmt: skip
    refused = await refusal(named, asking(subject="CN=alice"), PULL)
    assert refused.code is Code.UNAUTHORIZED
    assert (await refusal(named, asking(subject="CN=ci"), PULL)).code is Code.DENIED
    await named.decide(asking(subject="CN=ci"), [Ask(Action.PULL, "ci/x")])


async def test_an_account_is_no_certificate(accounts: Accounts) -> None:
    ours = gate(Rules([Rule(["cert:alice"], ["team/*"])], {}), accounts=accounts)
    assert (await refusal(ours, asking(basic("alice", "secret")), PULL)).code is Code.DENIED


async def test_too_many_requests_and_too_many_wrong_passwords(accounts: Accounts) -> None:
    ours = gate(everything(), requests=2)
    await ours.decide(asking(), [PULL])
    await ours.decide(asking(), [PULL])
    refused = await refusal(ours, asking(), PULL)
    assert (refused.code, refused.headers) == (Code.TOOMANYREQUESTS, (("Retry-After", "1"),))
    await ours.decide(asking(address="1.2.3.5:5"), [PULL])

    ours = gate(all_accounts(), accounts=accounts, failures=2)
    await ours.decide(asking(basic("alice", "secret"), address="9.9.9.9:1"), [PULL])
    for expected in (Code.UNAUTHORIZED, Code.UNAUTHORIZED, Code.TOOMANYREQUESTS):
        assert (await refusal(ours, asking(basic("alice", "guess")), PULL)).code is expected
    # The right password is not looked at either: guessing must not be told apart.
    refused = await refusal(ours, asking(basic("bob", "secret")), PULL)
    assert refused.code is Code.TOOMANYREQUESTS
    # Whoever was in is not locked out by guesses of others from his address.
    await ours.decide(asking(basic("alice", "secret")), [PULL])


async def test_a_host_field_cannot_add_to_the_challenge(issuer: Issuer) -> None:
    ours = gate(all_accounts(), issuer=issuer)
    evil = asking()
    evil = Asking(
        caller=evil.caller, method="GET", path="/v2/", headers={}, is_secure=False,
        host='x",realm="http://evil\r\nSet-Cookie: a',
    )  # fmt: skip
    refused = await refusal(ours, evil, PULL)
    assert refused.headers[0][1].count('realm="') == 1
    assert "\r" not in refused.headers[0][1]
