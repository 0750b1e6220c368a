"""What a container uses, read from its control group, on v1 and v2; see `model.usage`."""

from wharfie.drivers.runtime.cgroup.reading import read_usage

__all__ = ["read_usage"]
