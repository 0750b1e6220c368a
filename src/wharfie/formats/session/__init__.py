"""What `wharfie build` and the daemon tell each other beside HTTP: an extension of ours.

The daemon announces it on `/_ping` (`HEADER`); other clients never see it. A hijacked connection
carries frames (`frames`), in them the daemon asks for contexts, secrets and ssh agents. A context
is told as a manifest (`manifest`), of which only the parts the daemon lacks are sent.
"""

HEADER = "Wharfie-Build-Session"
"""Field of `/_ping`; its value is the version of what is written here."""
VERSION = "1"
PATH = "/build/session"
ID_FIELD = "X-Wharfie-Session"
"""Field of the request that opens a session: the ID builds name it by."""
REMOTE = "wharfie-session"
"""Value of the parameter `remote` of a build whose context comes by session."""
