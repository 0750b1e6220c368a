"""Events: published after the commit, kept in a bounded ring, fanned out to subscribers."""

from wharfie.engine.events.bus import EventBus, SubscriberTooSlow

__all__ = ["EventBus", "SubscriberTooSlow"]
