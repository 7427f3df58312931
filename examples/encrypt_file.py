"""Encrypt and decrypt files of any size with the AWS Encryption SDK, under a key of HearthKMS.

    python encrypt_file.py encrypt KEY PLAIN SEALED
    python encrypt_file.py decrypt KEY SEALED OPENED

KEY is a key id, a key ARN or an alias. Start `hearthkms serve --dev` and paste the exports that it prints.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import boto3
from aws_encryption_sdk import EncryptionSDKClient, StrictAwsKmsMasterKeyProvider


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["encrypt", key, plain, sealed]:
            _stream("encrypt", key, Path(plain), Path(sealed), encryption_context={"file": Path(plain).name})
        case ["decrypt", key, sealed, opened]:
            _stream("decrypt", key, Path(sealed), Path(opened))
        case _:
            sys.exit(__doc__)


def _stream(mode: str, key: str, source: Path, target: Path, **options: object) -> None:
    """Encrypt or decrypt `source` in constant memory. `target` appears only once all of it is verified.

    The data is encrypted under a data key of its own, which is kept in the file, encrypted under the KMS key;
    the service is asked once a file, whatever its size.
    """
    key_arn = boto3.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[key_arn])
    draft = target.with_name(target.name + ".part")
    with (
        source.open("rb") as data,
        draft.open("wb") as output,
        EncryptionSDKClient().stream(mode=mode, source=data, key_provider=provider, **options) as stream,
    ):
        shutil.copyfileobj(stream, output)
    draft.replace(target)


if __name__ == "__main__":
    main()
