"""What keeps a registry tidy while it serves: collection of garbage, retention, scrub.

`collector.py` removes what nothing refers to, `retention.py` decides which tags go, `scrub.py`
finds what the disk has lost, `schedule.py` runs them in turn.
"""

from wharfie.registry.upkeep.collector import Collector
from wharfie.registry.upkeep.report import Report
from wharfie.registry.upkeep.schedule import Upkeep

__all__ = ["Collector", "Report", "Upkeep"]
