"""Texts and binary forms of the network: netlink, nftables, ports."""
