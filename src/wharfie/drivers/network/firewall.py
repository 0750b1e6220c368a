"""The firewall in the kernel: our own table, changed by small transactions.

What should be there is known here, so a table that somebody flushed is put back whole at the
next change or check. Only our table is touched, with one exception: where another firewall
drops all forwarded traffic by policy (a Docker Engine beside us does), an accept in our table
does not help, for every base chain must accept. If it offers the chain DOCKER-USER, made for
rules of others, one rule is put there that accepts packets our rules have accepted and marked.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from wharfie.drivers.network.ruleset import (
    NetworkRules,
    PortRule,
    accept_marked,
    add_network,
    add_ports,
    delete_network,
    delete_ports,
    expected_sizes,
    rules,
    ruleset,
)
from wharfie.formats.network import conntrack, nft
from wharfie.formats.network.nft import Body, Table
from wharfie.kernel.netlink import GONE, NETLINK_NETFILTER, KernelRefused, NetlinkSocket
from wharfie.model.network import PublishedPort

_log = logging.getLogger(__name__)

_FOREIGN = Table("filter")
_FOREIGN_FORWARD = "FORWARD"
_FOREIGN_HOOK = "DOCKER-USER"
_UDP = 17


class Firewall:
    """Networks and published ports, as the kernel redirects and filters them.

    Safe to use from several threads.
    """

    def __init__(self, owner: str, *, adapt_forward: bool) -> None:
        self._table = Table(owner)
        self._adapt = adapt_forward
        self._comment = nft.comment(f"{owner}: accepted traffic passes")
        self._netlink = NetlinkSocket(NETLINK_NETFILTER)
        self._networks: dict[str, NetworkRules] = {}
        self._ports: dict[tuple[str, str, int], PortRule] = {}
        self._is_started = False
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """By which the kernel announces our own changes."""
        return self._netlink.port

    def verify(self) -> None:
        """Put the table back if anything is missing from it: rules, networks, ports."""
        with self._lock:
            if self._is_started and not self._is_whole():
                _log.warning("firewall table %s was changed by others: put back", self._table.name)
                self._rebuild()

    def _is_whole(self) -> bool:
        wanted = Counter(chain for chain, _ in rules(mark=False))
        sizes = expected_sizes(self._networks.values(), self._ports.values())
        try:
            for chain, number in wanted.items():
                if len(self._netlink.dump(nft.list_rules(self._table, chain))) != number:
                    return False
            for name, number in sizes.items():
                answers = self._netlink.dump(nft.get_elements(self._table, name))
                if sum(len(nft.parse_elements(one)) for one in answers) != number:
                    return False
        except KernelRefused as refused:
            if refused.errno != errno.ENOENT:
                raise
            return False
        return True

    def close(self) -> None:
        """Free the socket; the rules stay."""
        self._netlink.close()

    def reset(self, networks: Iterable[NetworkRules], ports: Iterable[PortRule]) -> None:
        """Put everything in place, in one transaction, instead of whatever was there."""
        with self._lock:
            self._networks = {network.bridge: network for network in networks}
            self._ports = {_key(port): port for port in ports}
            self._is_started = True
            self._rebuild()

    def check(self) -> None:
        """Put the table back if somebody removed it."""
        try:
            self._netlink.run([nft.get_chain(self._table, "forward")])
        except KernelRefused as refused:
            if refused.errno != errno.ENOENT:
                raise
            with self._lock:
                self._rebuild()

    def add_network(self, network: NetworkRules) -> None:
        """Let a network work; known ones are replaced."""
        with self._lock:
            known = self._networks.get(network.bridge)
            if known == network:
                return
            self._networks[network.bridge] = network
            bodies = [] if known is None else delete_network(self._table, known)
            self._change([*bodies, *add_network(self._table, network)])

    def delete_network(self, bridge: str) -> None:
        """Forget a network; an unknown one is no error."""
        with self._lock:
            known = self._networks.pop(bridge, None)
            if known is not None:
                self._change(delete_network(self._table, known))

    def publish(self, ports: Sequence[PortRule]) -> None:
        """Redirect host ports to a container, all at once; flows that went elsewhere end."""
        with self._lock:
            self._ports.update({_key(port): port for port in ports})
            try:
                self._change(add_ports(self._table, ports))
            except OSError:
                for port in ports:
                    self._ports.pop(_key(port), None)
                raise
        self._forget_flows(ports)

    def unpublish(self, ports: Iterable[PublishedPort]) -> None:
        """Redirect host ports no more; unknown ones are no error."""
        with self._lock:
            known = [
                rule
                for port in ports
                if (rule := self._ports.pop((port.protocol, port.host_ip, port.host_port), None))
            ]
            if known:
                self._change(delete_ports(self._table, known))
        self._forget_flows(known)

    def _change(self, bodies: Sequence[Body]) -> None:
        try:
            self._netlink.transact(nft.batch(bodies))
        except KernelRefused as refused:
            if refused.errno not in (errno.ENOENT, errno.EEXIST):
                raise
            _log.warning("firewall table %s was changed by others: rebuilt", self._table.name)
            self._rebuild()

    def _rebuild(self) -> None:
        mark = self._adapt_forward()
        bodies = ruleset(self._table, self._networks.values(), self._ports.values(), mark=mark)
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
        for answer in self._netlink.dump(conntrack.list_flows()):
            flow = conntrack.parse_flow(answer)
            if flow and flow.protocol == _UDP and flow.destination_port in numbers:
                self._netlink.run([conntrack.delete_flow(flow)], ignore=GONE)


def _key(port: PortRule) -> tuple[str, str, int]:
    return port.protocol, str(port.host_address), port.host_port
