from __future__ import annotations

from wharfie.cli.output.usage import cpu_percent, measure, memory_used


def test_cpu_is_the_share_between_two_samples() -> None:
    stats = {
        "cpu_stats": {
            "cpu_usage": {"total_usage": 300},
            "system_cpu_usage": 2000,
            "online_cpus": 4,
        },
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    }
    assert cpu_percent(stats) == 80.0
    assert cpu_percent({}) == 0.0


def test_memory_is_without_what_can_be_dropped() -> None:
    assert memory_used({"usage": 100, "stats": {"inactive_file": 30}}) == 70
    assert memory_used({"usage": 100, "stats": {"total_inactive_file": 40}}) == 60
    assert memory_used({"usage": 10, "stats": {"inactive_file": 30}}) == 10


def test_an_empty_sample_is_a_row_of_zeroes() -> None:
    row = measure("c", {}).row()
    assert row["CPUPerc"] == "0.00%"
    assert row["MemUsage"] == "0B / 0B"
