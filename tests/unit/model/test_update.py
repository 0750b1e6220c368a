from wharfie.model.container import HostConfig, RestartPolicy
from wharfie.model.update import UpdateSpec


def test_only_what_was_given_changes() -> None:
    before = HostConfig(memory=1 << 30, cpu_shares=7, restart_policy=RestartPolicy("always"))
    after = UpdateSpec(cpu_shares=512, cpuset_cpus="0").applied_to(before)
    assert (after.memory, after.cpu_shares, after.cpuset_cpus) == (1 << 30, 512, "0")
    assert after.restart_policy == RestartPolicy("always")


def test_a_policy_is_replaced_as_a_whole() -> None:
    before = HostConfig(restart_policy=RestartPolicy("on-failure", 3))
    after = UpdateSpec(restart_policy=RestartPolicy("always")).applied_to(before)
    assert after.restart_policy == RestartPolicy("always", 0)


def test_no_number_of_processes_takes_the_limit_away() -> None:
    spec = UpdateSpec(pids_limit=-1)
    assert spec.limits.pids_limit == 0
    assert spec.changes_limits
    assert UpdateSpec().limits.pids_limit is None
    assert not UpdateSpec(restart_policy=RestartPolicy("no")).changes_limits
