"""The rules for tags on a key. Source: KMS API reference, TagResource; error texts as observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hearthkms.kms import errors

MAX_TAGS = 50


def checked_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Tags by key. Raises ServiceError TagException for duplicates, reserved keys and more than 50."""
    by_key = {tag["TagKey"]: tag["TagValue"] for tag in tags}
    if len(by_key) != len(tags):
        raise errors.tag("Duplicate tag keys")
    refuse_reserved(by_key)
    if len(by_key) > MAX_TAGS:
        raise errors.tag("Too many tags")
    return by_key


def refuse_reserved(tag_keys: Mapping[str, str] | Sequence[str]) -> None:
    """Raise TagException where a key begins with `aws:`, in whatever case."""
    if any(name.lower().startswith("aws:") for name in tag_keys):
        raise errors.tag("Tags beginning with aws: are reserved")
