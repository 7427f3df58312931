"""An alias: a name for a key within one account and Region."""

from __future__ import annotations

from dataclasses import dataclass

from hearthkms.core.ids import alias_arn


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias; `name` starts with `alias/`. Dates are epoch seconds with milliseconds."""

    region: str
    account_id: str
    name: str
    target_key_id: str
    creation_date: float
    last_updated_date: float

    @property
    def arn(self) -> str:
        """The alias's ARN."""
        return alias_arn(self.region, self.account_id, self.name)
