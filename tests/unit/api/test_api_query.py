import json
from urllib.parse import quote, urlencode

import pytest

from wharfie.api.filters import (
    container_filters,
    event_filters,
    image_filters,
    prune_filters,
    volume_filters,
)
from wharfie.api.query import Query
from wharfie.api.times import parse_duration, parse_time
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import LabelMatch

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def filtered(filters: object) -> Query:
    return Query("filters=" + quote(json.dumps(filters)))


@pytest.mark.parametrize("text", ["", "0", "no", "No", "FALSE", "none", " false "])
def test_these_are_false(text):
    assert not Query(urlencode({"x": text})).flag("x", default=True)


@pytest.mark.parametrize("text", ["1", "true", "yes", "2", "anything"])
def test_all_else_is_true(text):
    assert Query(urlencode({"x": text})).flag("x")


def test_a_missing_flag_is_its_default():
    assert Query("").flag("x", default=True)
    assert not Query("").flag("x")


def test_values_are_decoded():
    query = Query("a=x%2Fy+z&b&a=2&=3")
    assert (query.text("a"), query.texts("a"), query.has("b"), query.text("b")) == (
        "x/y z",
        ["x/y z", "2"],
        True,
        "",
    )


@pytest.mark.parametrize("text", ["x", "1.5", "0x1", "٣", "9" * 40])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InvalidArgument, match="invalid syntax"):
        Query(urlencode({"t": text})).integer("t")


def test_numbers():
    assert Query("t=-1").integer("t") == -1
    assert Query("t=").integer("t") is None
    assert Query("").integer("t") is None


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("10m", 600 * SECOND),
        ("1h30m", 5400 * SECOND),
        ("1.5s", 1_500_000_000),
        ("-2s", -2 * SECOND),
        ("100ms", 100_000_000),
        (".5s", 500_000_000),
        ("3µs", 3000),
    ],
)
def test_durations(text, nanoseconds):
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "10", "m", "1x", "1h 2m", "1m-"])
def test_what_is_no_duration(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1700000000", NOW),
        ("1700000000.5", NOW + SECOND // 2),
        ("1700000000.000000001", NOW + 1),
        ("0", 0),
        ("10m", NOW - 600 * SECOND),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.123456789Z", NOW + 123456789),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T22:13", NOW - 20 * SECOND),
        ("2023-11-14T22", NOW - 800 * SECOND),
        ("2023-11-14", NOW - 80000 * SECOND),
    ],
)
def test_times(text, nanoseconds):
    assert parse_time(text, now=NOW) == nanoseconds


@pytest.mark.parametrize("text", ["yesterday", "2023-13-01", "1x", "12:00", "-", "9" * 30])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InvalidArgument):
        parse_time(text, now=NOW)


@pytest.mark.parametrize("spelling", [{"name": ["a", "b"]}, {"name": {"a": True, "b": True}}])
def test_both_spellings_of_filters_are_understood(spelling):
    assert container_filters(filtered(spelling)).names == ["a", "b"]


def test_labels_are_split_once():
    filters = container_filters(filtered({"label": ["a", "b=c=d", "e="]}))
    assert filters.labels == [LabelMatch("a"), LabelMatch("b", "c=d"), LabelMatch("e", "")]


def test_unknown_filters_are_named():
    with pytest.raises(InvalidArgument, match="invalid filter 'color'"):
        container_filters(filtered({"color": ["red"]}))
    with pytest.raises(InvalidArgument, match="invalid filter 'until'"):
        prune_filters(filtered({"until": ["1h"]}), {"all", "label"}, now=NOW)


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"a":1}', '{"name":[1]}', '{"name":"x"}'])
def test_malformed_filters_are_refused(text):
    with pytest.raises(InvalidArgument, match="invalid filter"):
        container_filters(Query("filters=" + quote(text)))


def test_absent_and_null_filters_are_none():
    assert container_filters(Query("")) == container_filters(Query("filters=null"))


def test_booleans_in_filters():
    assert image_filters(filtered({"dangling": {"false": True}}), now=NOW).dangling is False
    assert volume_filters(filtered({"dangling": ["1"]})).dangling is True
    assert volume_filters(Query("")).dangling is None
    with pytest.raises(InvalidArgument):
        volume_filters(filtered({"dangling": ["maybe"]}))
    with pytest.raises(InvalidArgument):
        volume_filters(filtered({"dangling": ["true", "false"]}))


def test_until_of_a_prune():
    allowed = {"until", "label", "label!"}
    found = prune_filters(filtered({"until": ["1h"], "label!": ["a"]}), allowed, now=NOW)
    assert found.until == NOW - 3600 * SECOND
    assert found.not_labels == [LabelMatch("a")]
    with pytest.raises(InvalidArgument, match="more than one until"):
        prune_filters(filtered({"until": ["1h", "2h"]}), allowed, now=NOW)


def test_numbers_in_filters():
    assert container_filters(filtered({"exited": ["0", "137"]})).exited == [0, 137]
    with pytest.raises(InvalidArgument):
        container_filters(filtered({"exited": ["x"]}))


def test_events_of_kinds_that_never_come_match_nothing_else():
    assert event_filters(filtered({"node": ["n"]})).types == ["node"]
