"""Listings in pages, through botocore's paginators: nothing is left out and nothing comes twice."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest
from tests.conformance.answers import constraint, new_alias, refusal
from tests.conformance.calls import method
from tests.conformance.shapes import watch
from tests.support.server import Server


class Listing(NamedTuple):
    """A listing operation: its paginator, the member that holds the items, and who asks for it."""

    paginator: str
    member: str
    parameters: dict[str, Any]
    most: int
    items: int


@pytest.fixture(scope="module")
def there(server: Server) -> Any:
    """A client of a Region that is this file's own."""
    return watch(server.client(region="sa-east-1", config={"parameter_validation": False}))


@pytest.fixture(scope="module")
def listings(there: Any) -> dict[str, Listing]:
    """Seven items for every listing that can have that many."""
    key = there.create_key(
        Tags=[{"TagKey": f"k{n}", "TagValue": str(n)} for n in range(7)], Description="listed"
    )["KeyMetadata"]["KeyId"]
    for _ in range(6):
        there.create_key()
        there.rotate_key_on_demand(KeyId=key)
    for _ in range(7):
        there.create_alias(AliasName=new_alias(), TargetKeyId=key)
    there.describe_key(KeyId="alias/aws/rds")
    predefined = len(there.list_aliases(Limit=100)["Aliases"]) - 7
    on_key = {"KeyId": key}
    everything = {"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}
    return {
        "keys": Listing("list_keys", "Keys", {}, 1000, 8),
        "own keys": Listing("list_keys", "Keys", {"ResourceOwners": ["SELF"]}, 1000, 8),
        "aliases": Listing("list_aliases", "Aliases", {}, 100, predefined + 7),
        "aliases of a key": Listing("list_aliases", "Aliases", on_key, 100, 7),
        "tags": Listing("list_resource_tags", "Tags", on_key, 50, 7),
        "rotations": Listing("list_key_rotations", "Rotations", on_key, 1000, 6),
        "materials": Listing("list_key_rotations", "Rotations", everything, 1000, 7),
        "policies": Listing("list_key_policies", "PolicyNames", on_key, 1000, 1),
    }


NAMES = (
    "keys",
    "own keys",
    "aliases",
    "aliases of a key",
    "tags",
    "rotations",
    "materials",
    "policies",
)
SEVERAL = NAMES[:-1]


def pages(there: Any, listing: Listing, size: int) -> list[dict[str, Any]]:
    """Every page of a listing."""
    paginator = there.get_paginator(listing.paginator)
    return list(paginator.paginate(**listing.parameters, PaginationConfig={"PageSize": size}))


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("name", NAMES)
def test_all_pages_together(there: Any, listings: dict[str, Listing], name: str, size: int) -> None:
    listing = listings[name]
    whole = method(there, listing.paginator)(**listing.parameters, Limit=listing.most)[listing.member]
    assert len(whole) == listing.items
    found = pages(there, listing, size)
    assert [item for page in found for item in page[listing.member]] == whole
    assert len(found) == -(-listing.items // size)
    for page in found[:-1]:
        assert len(page[listing.member]) == size
        assert page["Truncated"] is True
        assert page["NextMarker"]
    assert found[-1]["Truncated"] is False
    assert "NextMarker" not in found[-1]


@pytest.mark.parametrize(("name", "default"), [("keys", 100), ("aliases", 50), ("tags", 50)])
def test_default_page_sizes(server: Server, name: str, default: int) -> None:
    region = server.client(region="me-south-1" if name == "keys" else "me-central-1")
    made = region.create_key(Tags=[{"TagKey": f"k{n}", "TagValue": ""} for n in range(50)])["KeyMetadata"]
    if name == "keys":
        for _ in range(100):
            region.create_key()
        page = region.list_keys()
        assert (len(page["Keys"]), page["Truncated"]) == (default, True)
        rest = region.list_keys(Marker=page["NextMarker"])
        assert (len(rest["Keys"]), rest["Truncated"]) == (1, False)
    elif name == "aliases":
        for _ in range(51):
            region.create_alias(AliasName=new_alias(), TargetKeyId=made["KeyId"])
        page = region.list_aliases(KeyId=made["KeyId"])
        assert (len(page["Aliases"]), page["Truncated"]) == (default, True)
    else:
        page = region.list_resource_tags(KeyId=made["KeyId"])
        assert (len(page["Tags"]), page["Truncated"]) == (default, False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "marker",
    [
        "garbled",
        "AAAA",
        "====",
        " ",
        "\u00ff",
        base64.b64encode(b"keys:sa-east-1").decode(),
        base64.urlsafe_b64encode(b"somewhere else\n1").decode(),
    ],
)
def test_markers_that_are_none(there: Any, listings: dict[str, Listing], name: str, marker: str) -> None:
    listing = listings[name]
    answer = refusal(method(there, listing.paginator), **listing.parameters, Marker=marker)
    assert answer[0] == "InvalidMarkerException"


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("other", SEVERAL)
def test_a_marker_is_good_for_its_own_listing_alone(
    there: Any, listings: dict[str, Listing], name: str, other: str
) -> None:
    listing, foreign = listings[name], listings[other]
    marker = method(there, foreign.paginator)(**foreign.parameters, Limit=1)["NextMarker"]
    ask = method(there, listing.paginator)
    same = listing == foreign or {name, other} == {"keys", "own keys"}
    if same:
        assert ask(**listing.parameters, Marker=marker)[listing.member]
    else:
        assert refusal(ask, **listing.parameters, Marker=marker)[0] == "InvalidMarkerException"


@pytest.mark.parametrize("name", ["tags", "aliases of a key", "rotations"])
def test_a_marker_is_good_for_its_own_key_alone(there: Any, listings: dict[str, Listing], name: str) -> None:
    listing = listings[name]
    marker = method(there, listing.paginator)(**listing.parameters, Limit=1)["NextMarker"]
    own = listing.parameters["KeyId"]
    other = next(key["KeyId"] for key in there.list_keys()["Keys"] if key["KeyId"] != own)
    answer = refusal(method(there, listing.paginator), KeyId=other, Marker=marker)
    assert answer[0] == "InvalidMarkerException"


def test_a_marker_is_good_for_its_own_region_alone(
    there: Any, server: Server, listings: dict[str, Listing]
) -> None:
    elsewhere = server.client(region="eu-south-1")
    for name in ("keys", "aliases"):
        listing = listings[name]
        marker = method(there, listing.paginator)(Limit=1)["NextMarker"]
        assert refusal(method(elsewhere, listing.paginator), Marker=marker)[0] == "InvalidMarkerException"


@pytest.mark.parametrize("made_up", ["x", "-1", "1.5", "9" * 100, "", "٣"])
def test_made_up_positions_in_rotations(there: Any, listings: dict[str, Listing], made_up: str) -> None:
    """Markers are not signed: whoever reads one can make others, and must get an answer, not a fault."""
    listing = listings["rotations"]
    marker = there.list_key_rotations(**listing.parameters, Limit=1)["NextMarker"]
    scope = base64.urlsafe_b64decode(marker).decode().rpartition("\n")[0]
    forged = base64.urlsafe_b64encode(f"{scope}\n{made_up}".encode()).decode()
    if made_up == "":
        assert len(there.list_key_rotations(**listing.parameters, Marker=forged)["Rotations"]) == 6
    else:
        answer = refusal(there.list_key_rotations, **listing.parameters, Marker=forged)
        assert answer[0] == "InvalidMarkerException"


@pytest.mark.parametrize("name", NAMES)
def test_limits(there: Any, listings: dict[str, Listing], name: str) -> None:
    listing = listings[name]
    ask = method(there, listing.paginator)
    over = listing.most + 1
    assert refusal(ask, **listing.parameters, Limit=over) == constraint(
        "limit", f"Member must have value less than or equal to {listing.most}", f"'{over}'"
    )
    assert refusal(ask, **listing.parameters, Limit=0) == constraint(
        "limit", "Member must have value greater than or equal to 1", "'0'"
    )
    assert len(ask(**listing.parameters, Limit=listing.most)[listing.member]) == listing.items


def test_marker_sizes(there: Any, listings: dict[str, Listing]) -> None:
    for name in NAMES:
        listing = listings[name]
        long = "m" * 1025
        answer = refusal(method(there, listing.paginator), **listing.parameters, Marker=long)
        rule = "Member must have length less than or equal to 1024"
        assert answer == constraint("marker", rule, f"'{long}'")


def test_what_is_added_meanwhile_does_not_disturb(server: Server) -> None:
    """Pages go by name: what is added behind the marker comes, what is added before it does not."""
    region = server.client(region="af-south-1")
    key = region.create_key()["KeyMetadata"]["KeyId"]
    for name in ("b", "d", "f"):
        region.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    first = region.list_aliases(KeyId=key, Limit=2)
    assert [alias["AliasName"] for alias in first["Aliases"]] == ["alias/b", "alias/d"]
    region.create_alias(AliasName="alias/a", TargetKeyId=key)
    region.create_alias(AliasName="alias/e", TargetKeyId=key)
    region.delete_alias(AliasName="alias/d")
    rest = region.list_aliases(KeyId=key, Marker=first["NextMarker"])
    assert [alias["AliasName"] for alias in rest["Aliases"]] == ["alias/e", "alias/f"]
