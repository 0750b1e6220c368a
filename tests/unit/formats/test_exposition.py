"""Prometheus' text format."""

from wharfie.formats.exposition import Family, Sample, encode_families, spell


def test_a_page() -> None:
    families = [
        Family("a_total", "counter", "So\nmany.", [Sample(3)]),
        Family("none", "gauge", "Nothing.", []),
        Family("b", "gauge", "Odd \\ things.", [Sample(0.5, {"of": 'a"b\\c\nd', "no": "1"})]),
    ]
    assert encode_families(families).decode() == (
        "# HELP a_total So\\nmany.\n# TYPE a_total counter\na_total 3\n"
        '# HELP b Odd \\\\ things.\n# TYPE b gauge\nb{of="a\\"b\\\\c\\nd",no="1"} 0.5\n'
    )


def test_numbers() -> None:
    assert [spell(one) for one in (float("inf"), -float("inf"), float("nan"))] == [
        "+Inf",
        "-Inf",
        "NaN",
    ]
    assert [spell(one) for one in (0, 2.0, 1e20, 0.25)] == ["0", "2", "1e+20", "0.25"]
