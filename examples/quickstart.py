"""boto3 against HearthKMS: keys, aliases, encryption contexts, envelope encryption, rotation, errors.

Start `hearthkms serve --dev`, paste the exports that it prints, and run this.
"""

from __future__ import annotations

import base64

import boto3
from botocore.exceptions import ClientError
from cryptography.fernet import Fernet

ALIAS = "alias/quickstart"


def main() -> None:
    """Take a tour. It may be run again: the second time it finds its key."""
    kms = boto3.client("kms")

    # An alias is a name that the application knows; which key it means can change.
    try:
        key = kms.describe_key(KeyId=ALIAS)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        key = kms.create_key(Description="Quick start")["KeyMetadata"]
        kms.create_alias(AliasName=ALIAS, TargetKeyId=key["KeyId"])
    print("key:", key["Arn"])

    # Up to 4096 bytes are encrypted by the service. The context is not secret: it says what the ciphertext
    # is for, is on the audit trail, and must be given again to decrypt.
    context = {"tenant": "acme", "purpose": "invoice"}
    sealed = kms.encrypt(KeyId=ALIAS, Plaintext=b"attack at dawn", EncryptionContext=context)[
        "CiphertextBlob"
    ]
    opened = kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"]
    print("decrypted:", opened.decode())
    try:
        kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"tenant": "somebody else"})
    except ClientError as error:
        print("another context:", error.response["Error"]["Code"])

    # More than that is encrypted here, under a data key; only its encrypted form is kept with the data.
    data_key = kms.generate_data_key(KeyId=ALIAS, KeySpec="AES_256", EncryptionContext=context)
    message = Fernet(_fernet_key(data_key["Plaintext"])).encrypt(b"a long report" * 1000)
    kept = message, data_key["CiphertextBlob"]
    del data_key

    again = kms.decrypt(CiphertextBlob=kept[1], EncryptionContext=context)["Plaintext"]
    print("report:", len(Fernet(_fernet_key(again)).decrypt(kept[0])), "bytes")

    # Rotation gives the key new material; what the old material encrypted goes on opening.
    kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=365)
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == opened
    print("rotated, and the old ciphertext still opens")


def _fernet_key(plaintext: bytes) -> bytes:
    return base64.urlsafe_b64encode(plaintext)


if __name__ == "__main__":
    main()
