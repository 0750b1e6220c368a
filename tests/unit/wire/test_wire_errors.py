import pytest

from wharfie.model import errors
from wharfie.wire.errors import STATUSES, encode_error, error_of, status_of


@pytest.mark.parametrize("kind", STATUSES)
def test_every_status_leads_back_to_its_class(kind):
    assert type(error_of(STATUSES[kind], "m")) is kind
    assert error_of(STATUSES[kind], "m").message == "m"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NoSuchContainer("x"), 404),
        (errors.NameInUse("a", "b"), 409),
        (errors.AmbiguousReference("x"), 400),
        (errors.StartFailed("x", 126), 400),
        (errors.StartFailed("x", 127), 400),
        (errors.StartFailed("x", 128), 500),
        (errors.EngineError("x"), 500),
    ],
)
def test_classes_derive_their_status(error, status):
    assert status_of(error) == status


def test_unknown_statuses_are_internal():
    assert type(error_of(418, "x")) is errors.Internal


def test_every_error_class_has_a_status():
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.EngineError):
            assert value in STATUSES or value.__mro__[1] in (
                *STATUSES,
                errors.EngineError,
                Exception,
            )


def test_bodies_end_with_a_newline():
    assert encode_error('a "b" <c>') == b'{"message":"a \\"b\\" <c>"}\n'
