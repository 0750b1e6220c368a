"""The verbs about other machines' daemons: contexts, certificates, what is wrong between us."""
