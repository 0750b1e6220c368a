"""Metrics are counted, and no stranger can make up a label."""

from __future__ import annotations

import re

from support.registry_events import event, outcome
from wharfie.registry.watching.metrics import Metrics

_LINE = re.compile(r'[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+')


def test_what_is_counted() -> None:
    metrics = Metrics([lambda: [("up", "gauge", "Up", {(): 1})]])
    metrics.answered(outcome())
    metrics.answered(outcome(seconds=70.0, sent=-1))
    metrics.answered(outcome(method="PUT", status=401, route="uploads", received=10))
    metrics.happened(event())
    text = metrics.text()
    for line in (
        'registry_http_requests_total{code="200",handler="manifests",method="get"} 2',
        'registry_http_requests_total{code="401",handler="uploads",method="put"} 1',
        'registry_http_response_size_bytes_total{handler="manifests"} 42',
        'registry_http_request_size_bytes_total{handler="uploads"} 10',
        'registry_http_request_duration_seconds_bucket{handler="manifests",le="0.025"} 1',
        'registry_http_request_duration_seconds_bucket{handler="manifests",le="0.01"} 0',
        'registry_http_request_duration_seconds_bucket{handler="manifests",le="+Inf"} 2',
        'registry_http_request_duration_seconds_count{handler="manifests"} 2',
        'registry_http_request_duration_seconds_sum{handler="manifests"} 70.020000',
        'registry_events_total{action="push"} 1',
        "up 1",
    ):
        assert f"\n{line}\n" in f"\n{text}"
    assert "process_resident_memory_bytes" in text
    for line in text.splitlines():
        assert line.startswith("# ") or _LINE.fullmatch(line), line


def test_a_strangers_words_are_no_labels() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.answered(outcome(method=f"X{number}", route="", repository=f"r{number}"))
    text = metrics.text()
    assert 'registry_http_requests_total{code="200",handler="none",method="other"} 100' in text
    assert "r7" not in text
