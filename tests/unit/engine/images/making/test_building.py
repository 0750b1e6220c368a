from wharfie.engine.images.making.building import dated, without_times
from wharfie.model.image import History, ImageDocument

PLANNED = ImageDocument(
    history=[History(created="2024-01-01T00:00:00Z"), History(created_by="CMD x")]
)
NOW = "2026-11-21T00:00:00Z"


def test_missing_times_are_filled_in() -> None:
    document = dated(PLANNED, NOW)
    assert [step.created for step in document.history] == ["2024-01-01T00:00:00Z", NOW]
    assert document.created == NOW


def test_a_document_without_missing_times_is_as_old_as_its_last_step() -> None:
    document = ImageDocument(history=[History(created="2024-01-01T00:00:00Z")])
    assert dated(document, NOW).created == "2024-01-01T00:00:00Z"


def test_documents_that_differ_in_filled_times_only_are_equal() -> None:
    assert without_times(dated(PLANNED, NOW), PLANNED) == PLANNED
    other = ImageDocument(history=[History(created=NOW), History(created_by="CMD x")])
    assert without_times(dated(other, NOW), PLANNED) != PLANNED
    assert without_times(ImageDocument(), PLANNED) != PLANNED
