"""An S3-compatible store as the place of anchors.

The store is botocore's own stub: it checks what is asked against the service's model, and answers as the service would.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from worker.anchors.faults import AnchorFault
from worker.anchors.places import S3


@pytest.fixture
def bucket() -> Iterator[tuple[S3, Stubber]]:
    client = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="id", aws_secret_access_key="secret",
        endpoint_url="http://127.0.0.1:1",
    )  # fmt: skip
    with Stubber(client) as stub:
        yield S3("s3://audit/ledger", client), stub
        stub.assert_no_pending_responses()


def listed(stub: Stubber, *keys: str) -> None:
    contents: Any = [{"Key": f"ledger/anchors/{key}"} for key in keys]
    stub.add_response(
        "list_objects_v2",
        {"Contents": contents, "IsTruncated": False},
        {"Bucket": "audit", "Prefix": "ledger/anchors/"},
    )


def got(stub: Stubber, key: str, line: str) -> None:
    body = StreamingBody(io.BytesIO(line.encode()), len(line))
    stub.add_response("get_object", {"Body": body}, {"Bucket": "audit", "Key": f"ledger/anchors/{key}"})


def test_a_bucket_gets_an_object_for_each_anchor_and_none_in_the_place_of_another(bucket: tuple[S3, Stubber]) -> None:
    place, stub = bucket
    listed(stub)
    assert place.last() is None
    wanted = {"Bucket": "audit", "Key": "ledger/anchors/000000000007", "Body": b"line", "IfNoneMatch": "*"}
    stub.add_response("put_object", {}, wanted)
    place.append(7, "line")
    stub.add_client_error("put_object", "PreconditionFailed", expected_params=wanted)
    with pytest.raises(AnchorFault, match=r"s3://audit/ledger refuses or does not answer.*PreconditionFailed"):
        place.append(7, "line")
    listed(stub, "000000000002", "000000000001")
    got(stub, "000000000002", "second")
    assert place.last() == "second"
    listed(stub, "000000000002", "000000000001")
    got(stub, "000000000001", "first")
    got(stub, "000000000002", "second")
    assert [*place.lines()] == ["first", "second"]


def test_files_in_a_bucket(bucket: tuple[S3, Stubber]) -> None:
    place, stub = bucket
    named = {"Bucket": "audit", "Key": "ledger/files/heads-1.gz"}
    stub.add_response("put_object", {}, {**named, "Body": ANY, "ChecksumAlgorithm": ANY})
    place.write("heads-1.gz", io.BytesIO(b"content"))
    stub.add_client_error("head_object", "404", http_status_code=404, expected_params=named)
    assert place.read("heads-1.gz") is None
    stub.add_response("head_object", {"ContentLength": 7, "ETag": "e"}, named)
    stub.add_response(
        "get_object", {"Body": StreamingBody(io.BytesIO(b"content"), 7), "ContentLength": 7, "ETag": "e"},
        named,
    )  # fmt: skip
    content = place.read("heads-1.gz")
    assert content is not None
    assert content.read() == b"content"
