"""The token endpoint: tokens for those who may, of no more than they may."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import bcrypt
import msgspec
import pytest

from wharfie.model.caller import Caller
from wharfie.registry.access.endpoint import TokenEndpoint
from wharfie.registry.access.htpasswd import Accounts
from wharfie.registry.access.keys import open_signer
from wharfie.registry.access.limits import Limits
from wharfie.registry.access.logins import Logins
from wharfie.registry.access.rules import Rule, Rules, all_accounts
from wharfie.registry.access.scopes import Scope
from wharfie.registry.access.tokens import Claims, Issuer
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import Action
from wharfie.web import Body, Request, Response

OPEN = Rules(
    [
        Rule(["anonymous"], ["public/*"]),
        Rule(["alice"], ["team/*"], [Action.PULL, Action.PUSH]),
    ],
    {},
)


class World:
    def __init__(self, folder: Path, rules: Rules) -> None:
        self.file = folder / "htpasswd"
        self.password("secret")
        self.accounts = Accounts(str(self.file))
        self.now = 1_800_000_000.0
        self.issuer = Issuer(
            open_signer(str(folder / "key.pem")),
            name="us", service="us", life=300, refresh_life=1000, clock=lambda: self.now,
        )  # fmt: skip
        limits = Limits(requests=0, burst=0, failures=0, clock=lambda: 0.0)
        logins = Logins(self.accounts, self.issuer.verifier, limits, [], rules)
        self.endpoint = TokenEndpoint(self.issuer, logins, self.accounts, rules, limits)

    def password(self, text: str) -> None:
        hashed = bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode()
        self.file.write_text(f"alice:{hashed}\n")

    async def ask(self, method: str = "GET", query: str = "", body: str = "", **fields: str):
        stream = Body(length=len(body), wanted=lambda: None)
        if body:
            stream.push(body.encode())
            stream.finish()
        caller = Caller(transport="tcp", address="1.2.3.4:5", subject=fields.pop("subject", ""))
        request = Request(
            method=method, path="/auth/token", query=query, headers=fields, body=stream,
            caller=caller,
        )  # fmt: skip
        reply = await self.endpoint.answer(request)
        assert isinstance(reply, Response)
        if reply.status != 200:
            return reply.status
        assert b"no-store" in reply.headers
        return msgspec.json.decode(reply.body)

    async def get(self, *scopes: str, **options: str):
        fields = {"authorization": basic("alice", "secret")} if options.pop("login", "") else {}
        query = urlencode([*options.items(), *(("scope", scope) for scope in scopes)])
        return await self.ask(query=query, **fields)

    def claims(self, reply: dict) -> Claims:
        assert reply["token"] == reply["access_token"]
        return self.issuer.verifier.verify(reply["token"])


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, OPEN)
    yield found
    found.accounts.close()


async def test_a_token_holds_what_rules_allow_of_what_was_asked(world: World) -> None:
    scopes = [
        "repository:team/app:pull,push,delete", "repository:public/a:pull,push",
        "repository:other:pull", "registry:catalog:*", "registry:other:*", "nonsense",
    ]  # fmt: skip
    reply = await world.get(*scopes, service="us", login="yes")
    assert world.claims(reply).access == [
        Scope("repository", "team/app", ["pull", "push"]),
        Scope("repository", "public/a", ["pull"]),
        Scope("registry", "catalog", ["*"]),
    ]
    assert (world.claims(reply).sub, reply["expires_in"]) == ("alice", 300)
    assert "refresh_token" not in reply


async def test_scopes_may_stand_in_one_field(world: World) -> None:
    reply = await world.get("repository:team/a:pull repository:team/b:*", login="yes")
    assert [str(one) for one in world.claims(reply).access] == [
        "repository:team/a:pull", "repository:team/b:pull,push",
    ]  # fmt: skip


async def test_anybody_gets_what_is_open(world: World) -> None:
    reply = await world.get("repository:public/a:pull,push", "repository:team/app:pull")
    assert world.claims(reply).sub == ""
    assert world.claims(reply).access == [Scope("repository", "public/a", ["pull"])]


async def test_nobody_gets_a_token_where_nothing_is_open(tmp_path: Path) -> None:
    world = World(tmp_path, all_accounts())
    with pytest.raises(Refused) as caught:
        await world.get("repository:a:pull")
    assert caught.value.code is Code.UNAUTHORIZED
    world.accounts.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": basic("alice", "wrong")},
        {"authorization": basic("eve", "secret")},
        {"authorization": "Basic x"},
        {"authorization": "Bearer x"},
        {"authorization": "Digest x"},
    ],
)
async def test_wrong_credentials_get_none(world: World, fields: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        await world.ask(query="scope=repository:public/a:pull", **fields)
    assert caught.value.code is Code.UNAUTHORIZED


async def test_a_token_does_not_buy_another(world: World) -> None:
    token = world.claims(reply := await world.get(login="yes")) and reply["token"]
    with pytest.raises(Refused):
        await world.ask(query="offline_token=true", authorization=f"Bearer {token}")


async def test_another_service_is_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        await world.get("repository:team/app:pull", service="them", login="yes")
    assert caught.value.code is Code.DENIED


async def test_a_refresh_token_stands_for_the_password_until_it_changes(world: World) -> None:
    reply = await world.get(service="us", offline_token="true", login="yes")
    form = urlencode({
        "grant_type": "refresh_token", "service": "us", "client_id": "docker",
        "refresh_token": reply["refresh_token"], "scope": "repository:team/app:pull",
    })  # fmt: skip
    again = await world.ask("POST", body=form)
    assert world.claims(again).access == [Scope("repository", "team/app", ["pull"])]
    assert again["refresh_token"] == reply["refresh_token"]
    world.password("changed")
    with pytest.raises(Refused):
        await world.ask("POST", body=form)
    world.password("secret")  # another salt, another hash: it stays dead
    with pytest.raises(Refused):
        await world.ask("POST", body=form)


async def test_a_refresh_token_expires(world: World) -> None:
    reply = await world.get(offline_token="true", login="yes")
    form = urlencode({"grant_type": "refresh_token", "refresh_token": reply["refresh_token"]})
    world.now += 1100
    with pytest.raises(Refused):
        await world.ask("POST", body=form)


async def test_nobody_gets_a_refresh_token(world: World) -> None:
    assert "refresh_token" not in await world.get(offline_token="true")
    forged = world.issuer.refresh("", "")
    with pytest.raises(Refused):
        await world.ask(
            "POST", body=urlencode({"grant_type": "refresh_token", "refresh_token": forged})
        )


async def test_the_password_grant(world: World) -> None:
    form = {"grant_type": "password", "username": "alice", "service": "us",
            "scope": "repository:team/app:pull", "access_type": "offline"}  # fmt: skip
    reply = await world.ask("POST", body=urlencode({**form, "password": "secret"}))
    assert world.claims(reply).sub == "alice"
    assert reply["refresh_token"]
    for wrong in ({**form, "password": "x"}, form, {**form, "grant_type": "x", "password": "y"}):
        with pytest.raises(Refused):
            await world.ask("POST", body=urlencode(wrong))


async def test_other_methods_and_floods_of_fields(world: World) -> None:
    assert await world.ask("PUT") == 405
    with pytest.raises(Refused):
        await world.ask(query="&".join(["scope=a"] * 1000))
