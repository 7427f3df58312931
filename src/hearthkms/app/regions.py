"""Which Regions are served."""

from __future__ import annotations

import os
from difflib import get_close_matches
from functools import lru_cache

from botocore.loaders import Loader

from hearthkms.core.errors import SettingsError
from hearthkms.core.ids import PARTITION
from hearthkms.settings import Settings

_FALLBACK = "us-east-1"


@lru_cache(1)
def known_regions() -> tuple[str, ...]:
    """Every Region name of the `aws` partition, by botocore's data."""
    # Not the default folders: a file in somebody's home must not change what a service serves.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    partitions = loader.load_data("partitions")["partitions"]
    names = next(entry["regions"] for entry in partitions if entry["id"] == PARTITION)
    return tuple(sorted(name for name in names if not name.endswith("-global")))


def served_regions(settings: Settings) -> tuple[str, ...]:
    """The Regions of the settings, all that are known by default. Raises SettingsError for unknown ones."""
    if not settings.regions:
        return known_regions()
    unknown = sorted(set(settings.regions) - set(known_regions()))
    if unknown:
        names = ", ".join(f"'{name}'" for name in unknown)
        close = get_close_matches(unknown[0], known_regions(), 1, 0.0)
        raise SettingsError(
            f"The partition '{PARTITION}' has no Region {names}; Region names look like '{close[0]}'. "
            "Leave --regions out to serve them all."
        )
    return settings.regions


def default_region(settings: Settings) -> str:
    """The Region to suggest to clients: the environment's if it is served, else us-east-1 or the first."""
    served = served_regions(settings)
    for wanted in (os.environ.get("AWS_REGION"), os.environ.get("AWS_DEFAULT_REGION"), _FALLBACK):
        if wanted in served:
            return str(wanted)
    return served[0]
