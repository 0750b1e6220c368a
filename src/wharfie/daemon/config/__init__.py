"""The configuration: flags, `daemon.json` and environment, merged into one frozen value.

`options.py` is the table; `document.py` reads the file, `flags.py` the command line; `settings.py`
puts them together with their sources; `checks.py` refuses; `record.py` makes the `Config`.
"""

from wharfie.daemon.config.errors import ConfigError
from wharfie.daemon.config.places import DOCKERD, WHARFIED, Places
from wharfie.daemon.config.record import Config, TlsFiles, load_config

__all__ = ["DOCKERD", "WHARFIED", "Config", "ConfigError", "Places", "TlsFiles", "load_config"]
