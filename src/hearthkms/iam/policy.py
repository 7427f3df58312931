"""Policy documents: parsing and the checks a key policy must pass before it is kept.

Source: IAM user guide, "Grammar of the IAM JSON policy language"; KMS developer guide, "Key policies".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Any

from hearthkms.core.ids import ACCOUNT_ID, Arn, root_arn

VERSIONS = ("2012-10-17", "2008-10-17")

_STRING = ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike")
_ORDER = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = frozenset(
    [f"String{name}" for name in _STRING]
    + [f"Numeric{name}" for name in _ORDER]
    + [f"Date{name}" for name in _ORDER]
    + ["Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null"]
    + [f"Arn{name}" for name in ("Equals", "NotEquals", "Like", "NotLike")]
)
"""The condition operators, without their set prefix and `IfExists`."""

_DOCUMENT = frozenset({"Version", "Id", "Statement"})
_STATEMENT = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


class PolicyError(ValueError):
    """A document is not a valid policy; the text says why."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Element values are tuples, whether the document had one value or several.

    `principals` holds (kind, value) pairs, kind being `AWS`, `Service`, `Federated` or `CanonicalUser`; the
    principal `*` is ("AWS", "*"). `negated_*` say that the document had the Not form of the element.
    """

    sid: str
    allow: bool
    principals: tuple[tuple[str, str], ...]
    negated_principals: bool
    actions: tuple[str, ...]
    negated_actions: bool
    resources: tuple[str, ...]
    negated_resources: bool
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def covers_action(self, action: str) -> bool:
        """Whether the statement is about `action`; a statement without actions is about none."""
        matched = any(_matches(pattern.lower(), action.lower()) for pattern in self.actions)
        return bool(self.actions) and matched != self.negated_actions

    def covers_resource(self, arn: str) -> bool:
        """Whether the statement is about the resource `arn`."""
        matched = any(_matches(pattern, arn) for pattern in self.resources)
        return bool(self.resources) and matched != self.negated_resources


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy document."""

    statements: tuple[Statement, ...]

    def principals(self) -> Iterator[str]:
        """Each AWS principal named, as an ARN; account ids become the account's root."""
        for statement in self.statements:
            for kind, value in statement.principals:
                if kind == "AWS" and value != "*":
                    yield root_arn(value) if ACCOUNT_ID.fullmatch(value) else value

    def lets_change(self, caller_arn: str, account_id: str, arn: str) -> bool:
        """Whether `caller_arn`, a root or user of the key's account, may change the key `arn`'s policy again.

        Only statements without conditions count. A conditional Allow might never hold; a conditional Deny,
        such as the usual one of requests without TLS, is not there to hold for everything.
        """
        allowed = False
        names = {("AWS", "*"), ("AWS", caller_arn), ("AWS", root_arn(account_id)), ("AWS", account_id)}
        for statement in self.statements:
            named = any(principal in names for principal in statement.principals)
            if named == statement.negated_principals or not statement.covers_action("kms:PutKeyPolicy"):
                continue
            if statement.conditions or not statement.covers_resource(arn):
                continue
            if not statement.allow:
                return False
            allowed = True
        return allowed


@lru_cache(4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # A policy knows * and ? alone: the brackets that fnmatch also knows are ordinary characters.
    return re.compile(translate(pattern.replace("[", "[[]")))


def _matches(pattern: str, value: str) -> bool:
    return pattern in ("*", value) or _compiled(pattern).match(value) is not None


def parse_key_policy(text: str) -> Policy:
    """Parse and check a resource policy. Raises PolicyError."""
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, PolicyError):
            raise
        raise PolicyError("Policy is not valid JSON.") from error
    if not isinstance(document, dict):
        raise PolicyError("Policy must be a JSON object.")
    _only(document, _DOCUMENT, "policy")
    if "Version" in document and document["Version"] not in VERSIONS:
        raise PolicyError("The policy must contain a valid version string.")
    if "Id" in document and not isinstance(document["Id"], str):
        raise PolicyError("Id must be a string.")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError("Policy must contain at least one statement.")
    parsed = tuple(_statement(statement) for statement in statements)
    sids = [statement.sid for statement in parsed if statement.sid]
    if len(sids) != len(set(sids)):
        raise PolicyError("Statement Sids must be unique within the policy.")
    return Policy(parsed)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise PolicyError("Policy contains a duplicate element.")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    # Python's parser knows NaN and Infinity, which JSON does not.
    raise ValueError(name)


def _only(element: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in element:
        if name not in known:
            raise PolicyError(f"Unknown element {name} in {where}.")


def _statement(element: Any) -> Statement:
    if not isinstance(element, dict):
        raise PolicyError("A statement must be a JSON object.")
    _only(element, _STATEMENT, "statement")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("A statement must have an Effect of Allow or Deny.")
    sid = element.get("Sid", "")
    if not isinstance(sid, str):
        raise PolicyError("Sid must be a string.")
    principals, negated_principals = _either(element, "Principal")
    if principals is None:
        raise PolicyError("A statement in a key policy must have a Principal.")
    actions, negated_actions = _either(element, "Action")
    resources, negated_resources = _either(element, "Resource")
    return Statement(
        sid=sid,
        allow=element["Effect"] == "Allow",
        principals=tuple(_principals(principals)),
        negated_principals=negated_principals,
        actions=_texts(actions, "Action"),
        negated_actions=negated_actions,
        resources=_texts(resources, "Resource"),
        negated_resources=negated_resources,
        conditions=_conditions(element.get("Condition", {})),
    )


def _either(element: Mapping[str, Any], name: str) -> tuple[Any, bool]:
    if name in element and f"Not{name}" in element:
        raise PolicyError(f"A statement cannot have both {name} and Not{name}.")
    if f"Not{name}" in element:
        return element[f"Not{name}"], True
    return element.get(name), False


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(item, str) and item for item in values):
        raise PolicyError(f"{name} must be a string or a list of strings.")
    if name == "Action" and not all(item == "*" or ":" in item for item in values):
        raise PolicyError("Actions must name a service, as in kms:Encrypt.")
    return tuple(values)


def _principals(value: Any) -> Iterator[tuple[str, str]]:
    if value == "*":
        yield "AWS", "*"
        return
    if not isinstance(value, dict) or not value:
        raise PolicyError("Principal must be * or an object such as {'AWS': ...}.")
    for kind, named in value.items():
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser"):
            raise PolicyError(f"Unknown principal type {kind}.")
        for name in _texts(named, "Principal"):
            if kind == "AWS" and name != "*" and not ACCOUNT_ID.fullmatch(name):
                arn = Arn.parse(name)
                if (
                    arn is None
                    or arn.service not in ("iam", "sts")
                    or not ACCOUNT_ID.fullmatch(arn.account_id)
                ):
                    raise PolicyError("Policy contains a statement with one or more invalid principals.")
            if kind == "Service" and not _SERVICE.fullmatch(name):
                raise PolicyError("Policy contains a statement with one or more invalid principals.")
            yield kind, name


def _conditions(value: Any) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    if not isinstance(value, dict):
        raise PolicyError("Condition must be an object.")
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for operator, keys in value.items():
        name = operator.removeprefix("ForAllValues:").removeprefix("ForAnyValue:")
        if name.removesuffix("IfExists") not in OPERATORS or name == "NullIfExists":
            raise PolicyError(f"Invalid condition operator {operator}.")
        if not isinstance(keys, dict) or not keys:
            raise PolicyError(f"Condition operator {operator} must hold an object of condition keys.")
        found[operator] = {key: _condition_values(values) for key, values in keys.items()}
    return found


def _condition_values(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | bool | int | float) for item in values):
        raise PolicyError("Condition values must be strings, numbers or booleans.")
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in values)
