"""Registry credentials of the user: kept by helper programs, or in `config.json`."""
