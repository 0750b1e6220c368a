"""What lives, and in which order the dead go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.registry.upkeep.collector import Facts, living, parents_first


def document(*children: str, subject: str = "") -> Facts:
    return Facts(children, (), subject)


def test_children_and_referrers_of_the_living_live() -> None:
    documents = {
        "index": document("child", "nested"),
        "nested": document("grandchild"),
        "child": document(),
        "grandchild": document(),
        "signature": document(subject="index"),
        "note on signature": document(subject="signature"),
        "dead": document("dead child"),
        "dead child": document(),
        "dead note": document(subject="dead"),
    }
    assert living({"index"}, documents) == {
        "index", "child", "nested", "grandchild", "signature", "note on signature"
    }  # fmt: skip


def test_what_is_not_here_can_be_a_root_and_a_child() -> None:
    documents = {"index": document("elsewhere"), "note": document(subject="elsewhere")}
    assert living({"index", "gone"}, documents) == {"index", "elsewhere", "note", "gone"}


def test_circles_end() -> None:
    documents = {"a": document("b", subject="b"), "b": document("a", subject="a")}
    assert living({"a"}, documents) == {"a", "b"}


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12)), max_size=13))
def test_a_dead_index_goes_before_its_manifests(graph: dict[int, set[int]]) -> None:
    # Only downwards: digests make circles impossible.
    documents = {
        str(node): document(*(str(child) for child in children if child > node))
        for node, children in graph.items()
    }
    order = parents_first(set(documents), documents)
    assert sorted(order) == sorted(documents)
    for digest in order:
        for child in documents[digest].children:
            if child in documents:
                assert order.index(digest) < order.index(child)
