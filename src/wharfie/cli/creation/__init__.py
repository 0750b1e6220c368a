"""From `run` and `create` flags to the body of `POST /containers/create`.

`flagtable` declares the flags, `checks` validates single values, `config`, `hostconfig`,
`networks` and `devices` each build their part of the body. Every rule is Docker's; the tests
compare the bodies with those of the genuine client.
"""
