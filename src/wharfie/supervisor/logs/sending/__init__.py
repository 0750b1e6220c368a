"""Output sent away: syslog, journald, GELF, Fluentd. Never waits: sockets of the loop only."""
