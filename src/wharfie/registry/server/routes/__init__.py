"""What each kind of resource answers to each method: one module a route of `target.Route`."""
