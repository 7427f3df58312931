"""What botocore itself says of a service: its shapes, its serializer and its parser, and values that fit."""

from __future__ import annotations

import functools
import re
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

SERVICES = ("kms", "cloudhsmv2")

# One text for each shape with a pattern, one that fits and one that does not (of an allowed length).
EXAMPLES = {
    "AliasNameType": ("alias/payroll", "alias/pay roll"),
    "AccountIdType": ("123456789012", "12345678901x"),
    "BackingKeyIdResponseType": ("0f" * 32, "0G" * 32),
    "BackingKeyIdType": ("0f" * 32, "0G" * 32),
    "CloudHsmClusterIdType": ("cluster-abcdefg2345", "cluster-abcdefg0189"),
    "GrantConstraintSourceArnType": ("arn:aws:s3:eu-west-1:123456789012:x", "arn:aws"),
    "GrantNameType": ("grant-1", "grant 1"),
    "KeyMaterialDescriptionType": ("made on\tMonday", "made: later!"),
    "MarkerType": ("next page", "next\u0100"),
    "PolicyNameType": ("default", "not-default"),
    "PolicyType": ('{"Version": "2012-10-17"}', "{}\u0000"),
    "PrincipalIdType": ("arn:aws:iam::123456789012:user/alice", "alice smith"),
    "RegionType": ("eu-west-1", "europe"),
    "ServicePrincipalType": ("s3.amazonaws.com", "amazonaws"),
    "XksKeyIdType": ("key-1.a_b", "key 1"),
    "XksProxyAuthenticationAccessKeyIdType": ("ABCDEFGHIJKLMNOPQRST2", "abcdefghijklmnopqrst2"),
    "XksProxyAuthenticationRawSecretAccessKeyType": ("a/b+c=" * 8, "a.b+c=" * 8),
    "XksProxyUriEndpointType": ("https://xks.example.com", "http://xks.example.com"),
    "XksProxyUriPathType": ("/a/kms/xks/v1", "/a/kms/xks/v"),
    "XksProxyVpcEndpointServiceNameType": (
        "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
        "org.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
    ),
    "BackupId": ("backup-abcdefg2345", "backup-0"),
    "BackupRetentionValue": ("30", "xx"),
    "Cert": ("MIIB", "MI*B"),
    "CloudHsmArn": ("arn:aws:cloudhsm:eu-west-1:123456789012:cluster/cluster-abcdefg2345", "arn:aws"),
    "BackupArn": ("backup-abcdefg2345", "backup"),
    "ClusterId": ("cluster-abcdefg2345", "cluster-0"),
    "EniId": ("eni-0123456789abcdef0", "eni-x"),
    "ExternalAz": ("eu-west-1a", "eu-west"),
    "Field": ("clusterIds", "cluster ids"),
    "HsmId": ("hsm-abcdefg2345", "hsm-0"),
    "HsmType": ("hsm2m.medium", "hsm2m!medium"),
    "IpAddress": ("10.0.0.1", "10.0.0"),
    "NextToken": ("abc", "a\nb"),
    "Region": ("eu-west-1", "europe"),
    "ResourceId": ("cluster-abcdefg2345", "hsm-abcdefg2345"),
    "SecurityGroup": ("sg-01234567", "sg-x"),
    "StateMessage": ("fine", "a\nb"),
    "SubnetId": ("subnet-01234567", "subnet-x"),
    "TagKey": ("Straße 1", "Straße!"),
    "TagValue": ("Übung", "{}"),
    "VpcId": ("vpc-0", "vpc-x"),
}


@functools.cache
def service(name: str) -> botocore.model.ServiceModel:
    loader = botocore.loaders.Loader(include_default_search_paths=False, extra_search_paths=[_data_path()])
    return botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)


def operations() -> list[tuple[str, str]]:
    return [(name, operation) for name in SERVICES for operation in service(name).operation_names]


def serialise(name: str, operation: str, parameters: dict[str, Any]) -> bytes:
    """The body that a botocore client would send, without its own validation."""
    serializer = botocore.serialize.create_serializer("json", include_validation=False)
    request = serializer.serialize_to_request(parameters, service(name).operation_model(operation))
    assert request["headers"]["X-Amz-Target"] == f"{service(name).metadata['targetPrefix']}.{operation}"
    body: bytes = request["body"]
    return body


def parse(name: str, operation: str, status: int, body: bytes) -> dict[str, Any]:
    """What a botocore client would make of this answer."""
    parser = botocore.parsers.create_parser("json")
    response = {"headers": {}, "status_code": status, "body": body}
    shape = service(name).operation_model(operation).output_shape
    parsed: dict[str, Any] = parser.parse(response, shape)
    return parsed


def sample(shape: botocore.model.Shape, *, only_required: bool = False) -> Any:
    """A value that fits `shape`; structures get every member, or `only_required`."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        required = set(limits.get("required", []))
        return {
            member: sample(inner, only_required=only_required)
            for member, inner in shape.members.items()
            if member in required or not only_required
        }
    if kind == "list":
        return [sample(shape.member)] * max(1, limits.get("min", 1))
    if kind == "map":
        return {sample(shape.key): sample(shape.value)}
    if kind == "string":
        return _text(shape)
    simple: dict[str, Any] = {
        "blob": bytes(range(7)) * max(1, limits.get("min", 1)),
        "boolean": True,
        "timestamp": 1_700_000_000.0,
    }
    return simple[kind] if kind in simple else limits.get("min", 1)


def _text(shape: botocore.model.Shape) -> str:
    if shape.enum:
        return str(shape.enum[-1])
    if "pattern" in shape.metadata:
        return str(EXAMPLES[shape.name][0])
    return "x" * max(1, shape.metadata.get("min", 1))


def patterned() -> list[tuple[str, str]]:
    """Every shape with a pattern that a request can hold, as (service, shape)."""
    found: dict[tuple[str, str], None] = {}
    for name, operation in operations():
        for shape in _below(service(name).operation_model(operation).input_shape):
            if "pattern" in shape.metadata:
                found[name, shape.name] = None
    return list(found)


def java_matches(pattern: str, text: str) -> bool:
    """Whether Java's `matches` would take `text`, for the patterns of these services."""
    for name, characters in (("L", "a-zß-öÜA-Z"), ("Z", " "), ("N", "0-9")):
        pattern = pattern.replace(rf"\p{{{name}}}", characters)
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _below(shape: botocore.model.Shape) -> list[botocore.model.Shape]:
    inner: list[botocore.model.Shape] = []
    if shape.type_name == "structure":
        inner = list(shape.members.values())
    elif shape.type_name == "list":
        inner = [shape.member]
    elif shape.type_name == "map":
        inner = [shape.key, shape.value]
    return [shape, *(below for part in inner for below in _below(part))]


def _data_path() -> str:
    return str(botocore.loaders.Loader.BUILTIN_DATA_PATH)
