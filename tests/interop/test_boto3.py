"""boto3 as applications use it: paginators, waiters, retry modes, TLS, many threads."""

from __future__ import annotations

import re
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, SSLError
from tests.support.server import Server

REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
THREADS = 16


def _paginators() -> list[str]:
    client = boto3.client("kms", region_name="us-east-1")
    names = client.meta.service_model.operation_names
    snake = {operation: name for name, operation in client.meta.method_to_api_mapping.items()}
    return sorted(name for name in names if client.can_paginate(snake[name]))


class Listing:
    """What a paginator needs to have something to list: arguments, and how many entries there must be."""

    def __init__(self, kms: Any) -> None:
        self.kms = kms
        self.key_id = kms.create_key(
            Tags=[{"TagKey": f"tag-{number}", "TagValue": str(number)} for number in range(5)]
        )["KeyMetadata"]["KeyId"]

    def prepare(self, operation: str) -> tuple[dict[str, Any], int]:
        """Arguments of `operation`, and the least number of entries."""
        match operation:
            case "ListAliases":
                for _ in range(5):
                    self.kms.create_alias(AliasName=f"alias/{uuid.uuid4()}", TargetKeyId=self.key_id)
                return {"KeyId": self.key_id}, 5
            case "ListKeys":
                for _ in range(4):
                    self.kms.create_key()
                return {}, 5
            case "ListKeyRotations":
                for _ in range(3):
                    self.kms.rotate_key_on_demand(KeyId=self.key_id)
                return {"KeyId": self.key_id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}, 4
            case "ListKeyPolicies":
                return {"KeyId": self.key_id}, 1
            case "ListResourceTags":
                return {"KeyId": self.key_id}, 5
            case "ListGrants":
                return {"KeyId": self.key_id}, 0
            case "ListRetirableGrants":
                return {"RetiringPrincipal": "arn:aws:iam::123456789012:root"}, 0
            case "DescribeCustomKeyStores":
                return {}, 0
        raise AssertionError(f"botocore ships a paginator for {operation}: say here what it lists")


@pytest.mark.parametrize("operation", _paginators())
def test_every_paginator_of_botocore(kms: Any, operation: str) -> None:
    """Small pages and one large page list the same entries; what is not built yet says so."""
    arguments, least = Listing(kms).prepare(operation)
    name = next(one for one, api in kms.meta.method_to_api_mapping.items() if api == operation)
    paginator = kms.get_paginator(name)
    (result_key,) = [expression.expression for expression in paginator.result_keys]
    if operation in ("ListGrants", "ListRetirableGrants", "DescribeCustomKeyStores"):
        with pytest.raises(ClientError) as caught:
            paginator.paginate(**arguments).build_full_result()
        assert caught.value.response["Error"]["Code"] == "UnsupportedOperationException"
        return
    small = list(paginator.paginate(**arguments, PaginationConfig={"PageSize": 2}))
    entries = [str(entry) for page in small for entry in page[result_key]]
    assert len(entries) >= least
    assert len(entries) == len(set(entries))
    assert all(len(page[result_key]) == 2 and page["Truncated"] for page in small[:-1])
    assert not small[-1]["Truncated"]
    assert "NextMarker" not in small[-1]
    whole = paginator.paginate(**arguments, PaginationConfig={"PageSize": 50}).build_full_result()
    # Other tests make keys meanwhile: what was there must be there still, in the same order.
    again = [str(entry) for entry in whole[result_key]]
    assert [entry for entry in again if entry in set(entries)] == entries
    # A client may stop, keep the token, and go on later.
    first = paginator.paginate(
        **arguments, PaginationConfig={"PageSize": 2, "MaxItems": 1}
    ).build_full_result()
    if len(entries) > 1:
        rest = paginator.paginate(
            **arguments, PaginationConfig={"PageSize": 2, "StartingToken": first["NextToken"]}
        ).build_full_result()
        assert [str(entry) for entry in first[result_key]] == entries[:1]
        assert [str(entry) for entry in rest[result_key]][: len(entries) - 1] == entries[1:]


def test_every_waiter_of_botocore(kms: Any) -> None:
    """There is none for KMS today; the day there is, it gets a test."""
    assert kms.waiter_names == []


def test_every_answer_names_its_request(kms: Any, key: dict[str, Any]) -> None:
    answers = [
        kms.describe_key(KeyId=key["KeyId"]),
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x"),
        kms.disable_key(KeyId=key["KeyId"]),
    ]
    with pytest.raises(ClientError) as refused:
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    with pytest.raises(ClientError) as missing:
        kms.describe_key(KeyId=str(uuid.uuid4()))
    answers += [refused.value.response, missing.value.response]
    ids = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
    assert all(REQUEST_ID.fullmatch(one) for one in ids)
    assert len(set(ids)) == len(ids)
    headers = [answer["ResponseMetadata"]["HTTPHeaders"] for answer in answers]
    assert [one["x-amzn-requestid"] for one in headers] == ids


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_retry_modes(server: Server, mode: str) -> None:
    """Errors of the caller are not tried again, in any mode; nor does a mode disturb what works."""
    kms = server.client(config={"retries": {"mode": mode, "max_attempts": 5}})
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for number in range(20):
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"%d" % number)
        assert sealed["ResponseMetadata"]["RetryAttempts"] == 0
        assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == b"%d" % number
    with pytest.raises(ClientError) as caught:
        kms.describe_key(KeyId=str(uuid.uuid4()))
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
def test_a_retry_after_a_lost_connection_is_accepted(server: Server, mode: str) -> None:
    """The first attempt meets a closed door; the next, signed anew, is answered."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        threading.Thread(target=_drop_then_forward, args=(proxy, server.port), daemon=True).start()
        kms = boto3.client(
            "kms",
            endpoint_url=f"http://127.0.0.1:{proxy.getsockname()[1]}",
            region_name=server.access["region"],
            aws_access_key_id=server.access["access_key_id"],
            aws_secret_access_key=server.access["secret_access_key"],
            config=Config(retries={"mode": mode, "total_max_attempts": 3}),
        )
        answer = kms.generate_random(NumberOfBytes=16)
        kms.close()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(answer["Plaintext"]) == 16


def _drop_then_forward(proxy: socket.socket, port: int) -> None:
    dropped, _ = proxy.accept()
    dropped.close()
    client, _ = proxy.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def test_many_threads_share_one_client(server: Server) -> None:
    kms = server.client(config={"max_pool_connections": THREADS})
    keys = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(4)]

    def work(number: int) -> bool:
        key_id, message = keys[number % len(keys)], b"message %d" % number
        context = {"number": str(number)}
        sealed = kms.encrypt(KeyId=key_id, Plaintext=message, EncryptionContext=context)
        opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
        return bool(opened["Plaintext"] == message and opened["KeyId"].endswith(key_id))

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(400)))


def test_tls_with_the_bundle_of_the_ready_file(tls_server: Server) -> None:
    assert tls_server.url.startswith("https://127.0.0.1:")
    assert tls_server.access["ca_bundle"].startswith("/")
    kms = tls_server.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"over TLS")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"over TLS"


def test_tls_without_the_bundle_is_refused_by_the_client(tls_server: Server) -> None:
    kms = boto3.client(
        "kms",
        endpoint_url=tls_server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAXXXXXXXXXXXXXXXX",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        kms.list_keys()


def test_the_endpoint_is_found_by_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No code changes: the exports that `serve --dev` prints are enough."""
    for name, value in server.exports().items():
        monkeypatch.setenv(name, value)
    kms = boto3.session.Session().client("kms")
    assert kms.meta.endpoint_url == server.url
    assert kms.generate_random(NumberOfBytes=1)["ResponseMetadata"]["HTTPStatusCode"] == 200
