"""The firewall in the kernel: our own table, changed by small transactions.

What should be there is known here, so a table that somebody flushed is put back whole at the
next change or check. Beside ours there is one more table, `<owner>_user`, whose chain is the
administrator's: its rules come first and stay.

Only these tables are touched, with one exception: where another firewall drops all forwarded
traffic by policy (a Docker Engine beside us does), an accept in our table does not help, for every
base chain must accept. If it offers the chain DOCKER-USER, made for rules of others, one rule is
put there that accepts packets our rules have accepted and marked.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from wharfie.drivers.network.firewall.ruleset import (
    ADMISSION,
    FAMILIES,
    NetworkRules,
    PortRule,
    accept_marked,
    add_network,
    add_ports,
    admission,
    admission_size,
    delete_network,
    delete_ports,
    expected_sizes,
    rules,
    ruleset,
)
from wharfie.formats.network import conntrack, nft
from wharfie.formats.network.nft import Body, Chain, Table
from wharfie.kernel.netlink import GONE, NETLINK_NETFILTER, KernelRefused, NetlinkSocket
from wharfie.model.errors import Unavailable

_log = logging.getLogger(__name__)

_FOREIGN = Table("filter")
_FOREIGN_FORWARD = "FORWARD"
_FOREIGN_HOOK = "DOCKER-USER"
_UDP = 17
_USER_CHAIN = Chain(name="forward", type="filter", hook=nft.FORWARD, priority=-20)
"""For the administrator: asked before ours, made when missing, and never changed."""

Key = tuple[str, str, int]
_NO_NFTABLES = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EAFNOSUPPORT)
_ONLY_IPTABLES = (
    "this kernel has no nftables, only the older iptables at best: networks and published ports "
    "need the modules nf_tables, nft_nat, nft_masq, nft_fib and nft_ct (Linux 5.10 or later). "
    'With "iptables": false and "ip6tables": false in daemon.json published ports are relayed and '
    "the rules are left to you"
)


class Firewall:
    """Networks and published ports, as the kernel redirects and filters them.

    Safe to use from several threads.
    """

    def __init__(self, owner: str, *, adapt_forward: bool, managed: Sequence[int] = (4, 6)) -> None:
        """Of families that are not managed nothing is done but to remove tables of ours."""
        self._tables = {4: Table(owner), 6: Table(owner, nft.IPV6)}
        self._managed = frozenset(managed)
        self._user = f"{owner}_user"
        self._adapt = adapt_forward
        self._comment = nft.comment(f"{owner}: accepted traffic passes")
        self._netlink = NetlinkSocket(NETLINK_NETFILTER)
        self._networks: dict[tuple[int, str], NetworkRules] = {}
        self._ports: dict[Key, PortRule] = {}
        self._made: set[int] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """By which the kernel announces our own changes."""
        return self._netlink.port

    def verify(self) -> None:
        """Put the tables back if anything is missing from them: rules, networks, ports."""
        with self._lock:
            for version in self._made:
                if not self._is_whole(version):
                    name = self._tables[version].name
                    _log.warning("firewall table %s was changed by others: put back", name)
                    self._rebuild()
                    return

    def close(self) -> None:
        """Free the socket; the rules stay."""
        self._netlink.close()

    def reset(self, networks: Iterable[NetworkRules], ports: Iterable[PortRule]) -> None:
        """Put everything in place, in one transaction, instead of whatever was there."""
        with self._lock:
            self._networks = {
                (one.version, one.bridge): one for one in networks if one.version in self._managed
            }
            self._ports = {_key(port): port for port in self._concerned(ports)}
            self._made = {4} & self._managed | {one.version for one in self._networks.values()}
            if 6 in self._managed - self._made and self._exists(self._tables[6]):
                self._made.add(6)
            self._remove_unmanaged()
            try:
                self._rebuild()
            except KernelRefused as refused:
                if refused.errno in _NO_NFTABLES:
                    raise Unavailable(_ONLY_IPTABLES) from refused
                raise

    def check(self) -> None:
        """Put the tables back if somebody removed them."""
        for version in list(self._made):
            try:
                self._netlink.run([nft.get_chain(self._tables[version], "forward")])
            except KernelRefused as refused:
                if refused.errno != errno.ENOENT:
                    raise
                with self._lock:
                    self._rebuild()
                return

    def add_network(self, networks: Sequence[NetworkRules]) -> None:
        """Let a network work, in each of its families; known ones are replaced."""
        networks = [one for one in networks if one.version in self._managed]
        with self._lock:
            bodies: list[Body] = []
            for network in networks:
                key = (network.version, network.bridge)
                known = self._networks.get(key)
                if known == network:
                    continue
                self._networks[key] = network
                table = self._tables[network.version]
                if known is not None:
                    bodies += delete_network(table, known)
                bodies += add_network(table, network)
            versions = {one.version for one in networks}
            if versions <= self._made:
                self._change(bodies)
            else:
                self._made |= versions
                self._rebuild()

    def delete_network(self, bridge: str) -> None:
        """Forget a network; an unknown one is no error."""
        with self._lock:
            bodies: list[Body] = []
            for version, table in self._tables.items():
                known = self._networks.pop((version, bridge), None)
                if known is not None:
                    bodies += delete_network(table, known)
            if bodies:
                self._change(bodies)

    def publish(self, ports: Sequence[PortRule]) -> None:
        """Redirect host ports to a container, all at once; flows that went elsewhere end."""
        ports = self._concerned(ports)
        if not ports:
            return
        with self._lock:
            self._ports.update({_key(port): port for port in ports})
            try:
                self._change(self._port_bodies(ports, add_ports))
            except OSError:
                for port in ports:
                    self._ports.pop(_key(port), None)
                raise
        self._forget_flows(ports)

    def unpublish(self, ports: Iterable[PortRule]) -> None:
        """Redirect host ports no more; unknown ones are no error."""
        with self._lock:
            known = [rule for port in ports if (rule := self._ports.pop(_key(port), None))]
            if known:
                self._change(self._port_bodies(known, delete_ports))
        self._forget_flows(known)

    def _concerned(self, ports: Iterable[PortRule]) -> list[PortRule]:
        return [port for port in ports if port.version in self._managed]

    def _remove_unmanaged(self) -> None:
        """Take away what a daemon with another configuration left."""
        for version, table in self._tables.items():
            if version not in self._managed and self._exists(table):
                self._netlink.transact(nft.batch([nft.delete_table(table)]))

    def _port_bodies(
        self,
        ports: Sequence[PortRule],
        change: Callable[[Table, Sequence[PortRule]], list[Body]],
    ) -> list[Body]:
        """One transaction's messages; who may reach which port is told anew where it matters."""
        bodies: list[Body] = []
        for version, table in self._tables.items():
            concerned = [port for port in ports if port.version == version]
            bodies += change(table, concerned)
            if any(port.allow for port in concerned):
                bodies += admission(table, self._ports_of(version))
        return bodies

    def _ports_of(self, version: int) -> list[PortRule]:
        return [port for port in self._ports.values() if port.version == version]

    def _networks_of(self, version: int) -> list[NetworkRules]:
        return [one for one in self._networks.values() if one.version == version]

    def _is_whole(self, version: int) -> bool:
        table, ports = self._tables[version], self._ports_of(version)
        wanted = Counter(chain for chain, _ in rules(FAMILIES[version], mark=False))
        wanted[ADMISSION] = admission_size(ports)
        sizes = expected_sizes(table, self._networks_of(version), ports)
        try:
            for chain, number in wanted.items():
                self._netlink.run([nft.get_chain(table, chain)])
                if len(self._netlink.dump(nft.list_rules(table, chain))) != number:
                    return False
            for name, number in sizes.items():
                answers = self._netlink.dump(nft.get_elements(table, name))
                if sum(len(nft.parse_elements(one)) for one in answers) != number:
                    return False
        except KernelRefused as refused:
            if refused.errno != errno.ENOENT:
                raise
            return False
        return True

    def _exists(self, table: Table) -> bool:
        try:
            self._netlink.run([nft.get_chain(table, "forward")])
        except KernelRefused:
            return False
        return True

    def _change(self, bodies: Sequence[Body]) -> None:
        try:
            self._netlink.transact(nft.batch(bodies))
        except KernelRefused as refused:
            if refused.errno not in (errno.ENOENT, errno.EEXIST):
                raise
            _log.warning("the firewall was changed by others: put back")
            self._rebuild()

    def _rebuild(self) -> None:
        if not self._made:
            return
        mark = self._adapt_forward()
        bodies: list[Body] = []
        for version in sorted(self._made):
            table = self._tables[version]
            own = Table(self._user, table.family)
            bodies += [nft.add_table(own), nft.add_chain(own, _USER_CHAIN)]
            bodies += ruleset(table, self._networks_of(version), self._ports_of(version), mark=mark)
        self._netlink.transact(nft.batch(bodies))

    def _adapt_forward(self) -> bool:
        """Make another firewall let our traffic pass; tells whether it has to be marked."""
        if not self._adapt or not self._is_forward_dropped():
            return False
        try:
            present = self._netlink.dump(nft.list_rules(_FOREIGN, _FOREIGN_HOOK))
            if not any(nft.parse_rule(rule)[1] == self._comment for rule in present):
                body = nft.add_rule(
                    _FOREIGN, _FOREIGN_HOOK, accept_marked(), comment=self._comment, first=True
                )
                self._netlink.transact(nft.batch([body]))
        except KernelRefused as refused:
            _log.warning(
                "forwarded traffic is dropped by the policy of ip filter FORWARD, and there is no "
                "chain DOCKER-USER to let ours pass: containers do not reach the outside (%s)",
                refused.strerror,
            )
            return False
        return True

    def _is_forward_dropped(self) -> bool:
        try:
            answers = self._netlink.run([nft.get_chain(_FOREIGN, _FOREIGN_FORWARD)])
        except KernelRefused:
            return False
        return any(nft.parse_chain_policy(answer) == nft.DROP for answer in answers)

    def _forget_flows(self, ports: Sequence[PortRule]) -> None:
        """End tracked UDP flows to host ports: they would go on to where they went before."""
        numbers = {port.host_port for port in ports if port.protocol == "udp"}
        if not numbers:
            return
        versions = {port.version for port in ports if port.protocol == "udp"}
        answers = [one for version in versions
                   for one in self._netlink.dump(conntrack.list_flows(version))]  # fmt: skip
        for answer in answers:
            flow = conntrack.parse_flow(answer)
            if flow and flow.protocol == _UDP and flow.destination_port in numbers:
                self._netlink.run([conntrack.delete_flow(flow)], ignore=GONE)


def _key(port: PortRule) -> Key:
    if not port.host_port:
        return port.protocol, str(port.address), -port.port
    return port.protocol, str(port.host_address), port.host_port
