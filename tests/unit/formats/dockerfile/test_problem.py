from wharfie.formats.dockerfile.problem import DockerfileProblem, excerpt

LINES = ["one", "two", "three", "four", "five", "six"]


def numbers(start: int, end: int) -> list[int]:
    shown = excerpt("D", LINES, start, end).split("\n")[2:-1]
    return [int(line.partition("|")[0]) for line in shown]


def test_two_lines_around_one_and_one_around_several() -> None:
    assert numbers(3, 3) == [1, 2, 3, 4, 5]
    assert numbers(1, 1) == [1, 2, 3]
    assert numbers(6, 6) == [4, 5, 6]
    assert numbers(3, 4) == [2, 3, 4, 5]


def test_the_lines_meant_are_marked() -> None:
    assert excerpt("Dockerfile", ["FROM a", "x"], 2, 2) == (
        "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> x\n--------------------"
    )
    assert excerpt("D", LINES, 9, 9) == ""


def test_a_problem_keeps_the_place_it_knows() -> None:
    assert DockerfileProblem("x").at(3, 4).end == 4
    assert DockerfileProblem("x", 2).at(3, 4).start == 2
