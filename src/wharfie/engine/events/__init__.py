"""Events: published after the commit, kept in a bounded ring, fanned out to subscribers."""

from wharfie.engine.events.bus import EventBus, SubscriberTooSlow
from wharfie.engine.events.recording import EventRecorder

__all__ = ["EventBus", "EventRecorder", "SubscriberTooSlow"]
