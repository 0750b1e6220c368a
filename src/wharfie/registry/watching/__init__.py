"""What is told of what happens: notifications, metrics, the access log, health.

Everything here is an `ports.Observer` or a page; nothing of it can slow a request down.
"""
