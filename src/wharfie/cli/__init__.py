"""What a user types: the `docker` command line, spoken by `wharfie`.

`main` reads global flags and turns errors into exit codes, `flags` parses options as pflag does,
`commands` is the table of verbs, `output` prints tables, templates and progress. Start-up is part
of the interface: modules are imported on use, and nothing here needs `typing`, `re` or `json`.
"""
