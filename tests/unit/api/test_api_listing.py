import msgspec
from msgspec import structs

from support.http_services import IMAGE_ID, FakeImages, sample_container, sample_image
from wharfie.api.listing import ContainerListing
from wharfie.model.container import State, Status

START = 1767323046.5


class Clock:
    now = START + 30

    def __call__(self):
        return self.now


def decoded(listing, *containers):
    return [msgspec.json.decode(item) for item in listing.encode(containers)]


def test_unchanged_records_are_encoded_once():
    clock = Clock()
    listing = ContainerListing(FakeImages(), clock=clock)
    record = sample_container()
    first = listing.encode([record])[0]
    clock.now += 0.4
    assert listing.encode([record])[0] is first


def test_the_status_moves_with_time():
    clock = Clock()
    listing = ContainerListing(FakeImages(), clock=clock)
    record = sample_container()
    texts = []
    for seconds in (0.5, 1.2, 59.9, 60, 119.9, 120, 3540, 3599, 3600, 5399, 5400):
        clock.now = START + seconds
        texts.append(decoded(listing, record)[0]["Status"])
    assert texts == [
        "Up Less than a second",
        "Up 1 second",
        "Up 59 seconds",
        "Up About a minute",
        "Up About a minute",
        "Up 2 minutes",
        "Up 59 minutes",
        "Up 59 minutes",
        "Up About an hour",
        "Up About an hour",
        "Up 2 hours",
    ]


def test_a_commit_is_seen_at_once():
    listing = ContainerListing(FakeImages(), clock=Clock())
    record = sample_container()
    assert decoded(listing, record)[0]["State"] == "running"
    stopped = structs.replace(
        record,
        state=State(
            status=Status.EXITED,
            exit_code=3,
            started_at="2026-01-02T03:04:06.5Z",
            finished_at="2026-01-02T03:04:26.5Z",
        ),
    )
    assert decoded(listing, stopped)[0]["Status"] == "Exited (3) 10 seconds ago"


def test_an_image_whose_name_moved_on_is_shown_by_id():
    images = FakeImages()
    listing = ContainerListing(images, clock=Clock())
    record = sample_container()
    assert decoded(listing, record)[0]["Image"] == "busybox"
    images.records["busybox"] = sample_image(id="sha256:" + "cd" * 32)
    assert decoded(listing, record)[0]["Image"] == IMAGE_ID
    images.records.clear()
    assert decoded(listing, record)[0]["Image"] == IMAGE_ID


def test_removed_containers_are_forgotten():
    listing = ContainerListing(FakeImages(), clock=Clock())
    listing.encode([sample_container(number) for number in range(1000)])
    listing.encode([sample_container(1)])
    assert len(listing._items) == 1
