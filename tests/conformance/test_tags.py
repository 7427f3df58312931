"""TagResource, UntagResource, ListResourceTags, and tags given to CreateKey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.answers import constraint, refusal
from tests.conformance.calls import Sample

DUPLICATE = ("TagException", "Duplicate tag keys")
TOO_MANY = ("TagException", "Too many tags")
RESERVED = ("TagException", "Tags beginning with aws: are reserved")


def tags(**pairs: str) -> list[dict[str, str]]:
    """Tags as the API writes them."""
    return [{"TagKey": key, "TagValue": value} for key, value in pairs.items()]


def numbered(count: int, start: int = 0) -> list[dict[str, str]]:
    """`count` tags with different keys."""
    return tags(**{f"k{number:03}": str(number) for number in range(start, start + count)})


def stored(kms: Any, key_id: str) -> dict[str, str]:
    """A key's tags, by tag key."""
    return {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key_id)["Tags"]}


def test_life_of_tags(kms: Any) -> None:
    key = kms.create_key(Tags=tags(a="1", b="2"))["KeyMetadata"]["KeyId"]
    assert stored(kms, key) == {"a": "1", "b": "2"}
    kms.tag_resource(KeyId=key, Tags=tags(b="3", c=""))
    assert stored(kms, key) == {"a": "1", "b": "3", "c": ""}
    kms.untag_resource(KeyId=key, TagKeys=["a", "c", "never there"])
    assert stored(kms, key) == {"b": "3"}
    kms.untag_resource(KeyId=key, TagKeys=["b", "b"])
    assert kms.list_resource_tags(KeyId=key)["Tags"] == []
    kms.tag_resource(KeyId=key, Tags=[])
    kms.untag_resource(KeyId=key, TagKeys=[])


def test_tag_keys_are_case_sensitive_and_may_be_any_text(kms: Any, sample: Sample) -> None:
    pairs = {"name": "lower", "Name": "upper", "ключ 🔑": "värde", "k" * 128: "v" * 256, "aws": "fine"}
    kms.tag_resource(KeyId=sample.key_id, Tags=tags(**pairs))
    assert stored(kms, sample.key_id) == pairs


@pytest.fixture(params=["CreateKey", "TagResource"])
def tagging(request: pytest.FixtureRequest, loose: Any, shared: Sample) -> Callable[..., Any]:
    """An operation that takes tags."""
    if request.param == "CreateKey":
        method: Callable[..., Any] = loose.create_key
        return method
    return lambda **parameters: loose.tag_resource(KeyId=shared.key_id, **parameters)


def test_duplicates(tagging: Callable[..., Any]) -> None:
    assert refusal(tagging, Tags=tags(a="1") + tags(a="1")) == DUPLICATE


@pytest.mark.parametrize("name", ["aws:x", "AWS:x", "aWs:"])
def test_the_reserved_prefix(tagging: Callable[..., Any], kms: Any, shared: Sample, name: str) -> None:
    assert refusal(tagging, Tags=tags(**{name: "1"})) == RESERVED
    assert refusal(kms.untag_resource, KeyId=shared.key_id, TagKeys=[name]) == RESERVED


def test_fifty_tags_at_most(tagging: Callable[..., Any]) -> None:
    assert refusal(tagging, Tags=numbered(51)) == TOO_MANY


def test_fifty_tags_in_all(kms: Any) -> None:
    key = kms.create_key(Tags=numbered(50))["KeyMetadata"]["KeyId"]
    assert refusal(kms.tag_resource, KeyId=key, Tags=tags(one="more")) == TOO_MANY
    assert len(stored(kms, key)) == 50
    kms.tag_resource(KeyId=key, Tags=tags(k000="again", k049="too"))
    assert stored(kms, key)["k000"] == "again"
    kms.untag_resource(KeyId=key, TagKeys=["k000"])
    kms.tag_resource(KeyId=key, Tags=tags(one="more"))


def test_a_refused_call_tags_nothing(kms: Any, sample: Sample) -> None:
    assert refusal(kms.tag_resource, KeyId=sample.key_id, Tags=tags(a="1", **{"aws:b": "2"})) == RESERVED
    assert stored(kms, sample.key_id) == {}


def test_rules_come_before_the_key_is_looked_for(kms: Any) -> None:
    assert refusal(kms.tag_resource, KeyId="no-such-key", Tags=tags(a="1") * 2) == DUPLICATE
    assert refusal(kms.untag_resource, KeyId="no-such-key", TagKeys=["aws:x"]) == RESERVED


@pytest.mark.parametrize(
    ("tag", "at", "rule"),
    [
        (("k" * 129, "v"), "tagKey", "Member must have length less than or equal to 128"),
        (("", "v"), "tagKey", "Member must have length greater than or equal to 1"),
        (("k", "v" * 257), "tagValue", "Member must have length less than or equal to 256"),
    ],
)
def test_sizes(tagging: Callable[..., Any], tag: tuple[str, str], at: str, rule: str) -> None:
    shown = tag[0] if at == "tagKey" else tag[1]
    answer = refusal(tagging, Tags=tags(**dict([tag])))
    assert answer == constraint(f"tags.1.member.{at}", rule, f"'{shown}'")


def test_a_value_is_required(tagging: Callable[..., Any]) -> None:
    answer = refusal(tagging, Tags=[{"TagKey": "k"}])
    assert answer == constraint("tags.1.member.tagValue", "Member must not be null", "null")


def test_fifty_are_the_most_in_a_page(loose: Any, shared: Sample) -> None:
    for key_id in (shared.key_id, "no-such-key"):
        answer = refusal(loose.list_resource_tags, KeyId=key_id, Limit=51)
        assert answer == constraint("limit", "Member must have value less than or equal to 50", "'51'")
