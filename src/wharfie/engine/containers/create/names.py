"""Names: what is allowed, and made-up ones. Source: behaviours 3, 5."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from wharfie.model.errors import InvalidArgument

_VALID = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_ATTEMPTS = 6

_QUALITIES = (  # noqa: SIM905
    "able amber ample apt bold brave breezy bright brisk calm candid cheery clear clever cosy "
    "crisp curious daring deft eager early earnest easy fair fleet fond frank fresh gentle glad "
    "golden grand happy hardy honest humble jolly keen kind lively loyal lucid lucky mellow merry "
    "mild modest neat nimble noble patient placid plucky polite prime proud quick quiet ready "
    "robust rosy sage serene sharp silver sleek smart snug sober solid spry steady stoic sturdy "
    "subtle sunny swift tender tidy trim true trusty upbeat valiant vivid warm wise witty zesty"
).split()
_HARBOURS = (  # noqa: SIM905
    "aarhus abidjan aden antwerp apia bari belem bergen bilbao boston bremen brest busan cadiz "
    "cairns calais callao cork dakar danzig darwin dover dublin durban dunkirk fremantle galway "
    "genoa ghent haifa halifax hamburg helsinki hilo hobart honiara izmir jeddah kiel kobe lagos "
    "leith lisbon lome luanda lubeck malmo manila marseille mersin mombasa muscat nagoya nantes "
    "naples narvik odessa oran osaka oslo oulu palermo penang piraeus plymouth porto riga rostock "
    "rotterdam salvador santos shanghai split suva sydney tallinn tampa tangier trieste turku "
    "valencia varna vigo visby yokohama zadar"
).split()


def check_name(name: str) -> str:
    """Return the name without its leading slash.

    Raises:
        InvalidArgument: characters outside Docker's rule, or a single character.
    """
    if _VALID.fullmatch(name) is None:
        raise InvalidArgument(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    return name.removeprefix("/")


def make_up_name(is_taken: Callable[[str], bool], fallback: str) -> str:
    """Return a free name like "brisk_rotterdam"; `fallback` when luck runs out."""
    choice = random.SystemRandom().choice
    for attempt in range(_ATTEMPTS):
        name = f"{choice(_QUALITIES)}_{choice(_HARBOURS)}"
        if attempt:
            name += str(random.SystemRandom().randrange(10))
        if not is_taken(name):
            return name
    return fallback
