// The AWS SDK for JavaScript as an application uses it: endpoint, Region and credentials come from the
// environment. Prints one JSON object with what a test of another language can check.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  IncorrectKeyException,
  InvalidCiphertextException,
  KMS,
  KMSClient,
  NotFoundException,
  paginateListAliases,
  paginateListKeys,
} from "@aws-sdk/client-kms";

const client = new KMSClient({ maxAttempts: 1 });
const context = { purpose: "javascript", tenant: "ä" };

const { KeyMetadata: key } = await client.send(
  new CreateKeyCommand({ Description: "from JavaScript", Tags: [{ TagKey: "language", TagValue: "js" }] }),
);
assert.equal(key.KeyState, "Enabled");
assert.ok(key.CreationDate instanceof Date);
assert.ok(Math.abs(Date.now() - key.CreationDate.getTime()) < 60_000);

// Encrypt and decrypt: bytes in, the same bytes out, and only under the same context.
const plaintext = Buffer.from(Array.from({ length: 4096 }, (_, index) => index % 256));
const sealed = await client.send(
  new EncryptCommand({ KeyId: key.Arn, Plaintext: plaintext, EncryptionContext: context }),
);
const opened = await client.send(
  new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context }),
);
assert.deepEqual(Buffer.from(opened.Plaintext), plaintext);
assert.equal(opened.KeyId, key.Arn);
assert.match(opened.$metadata.requestId, /^[0-9a-f-]{36}$/);

// Data keys.
const dataKey = await client.send(
  new GenerateDataKeyCommand({ KeyId: key.KeyId, KeySpec: "AES_256", EncryptionContext: context }),
);
assert.equal(dataKey.Plaintext.length, 32);
const unwrapped = await client.send(
  new DecryptCommand({ CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext: context }),
);
assert.deepEqual(unwrapped.Plaintext, dataKey.Plaintext);

// Pages.
const names = [];
for (let number = 0; number < 5; number += 1) {
  names.push(`alias/js-${key.KeyId}-${number}`);
  await client.send(new CreateAliasCommand({ AliasName: names[number], TargetKeyId: key.KeyId }));
}
const found = [];
let pages = 0;
for await (const page of paginateListAliases({ client, pageSize: 2 }, { KeyId: key.KeyId })) {
  pages += 1;
  found.push(...page.Aliases.map((alias) => alias.AliasName));
}
assert.deepEqual(found.toSorted?.() ?? found.slice().sort(), names);
assert.equal(pages, 3);
let listed = false;
for await (const page of paginateListKeys({ client, pageSize: 100 }, {})) {
  listed ||= page.Keys.some((entry) => entry.KeyId === key.KeyId);
}
assert.ok(listed);

// Errors are the SDK's own classes.
async function failure(command) {
  try {
    await client.send(command);
  } catch (error) {
    return error;
  }
  assert.fail("this was to be refused");
}
const missing = "00000000-0000-4000-8000-000000000000";
const notFound = await failure(new DescribeKeyCommand({ KeyId: missing }));
assert.ok(notFound instanceof NotFoundException);
assert.match(notFound.message, new RegExp(`^Key '.*:key/${missing}' does not exist$`));
assert.equal(notFound.$metadata.httpStatusCode, 400);
assert.match(notFound.$metadata.requestId, /^[0-9a-f-]{36}$/);
const wrongContext = await failure(
  new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: { purpose: "other" } }),
);
assert.ok(wrongContext instanceof InvalidCiphertextException);
const other = await client.send(new CreateKeyCommand({}));
const wrongKey = await failure(
  new DecryptCommand({
    CiphertextBlob: sealed.CiphertextBlob,
    EncryptionContext: context,
    KeyId: other.KeyMetadata.KeyId,
  }),
);
assert.ok(wrongKey instanceof IncorrectKeyException);

// The aggregated client, many calls at once on kept connections.
const kms = new KMS({ maxAttempts: 1 });
const answers = await Promise.all(
  Array.from({ length: 200 }, (_, number) =>
    kms
      .encrypt({ KeyId: names[number % 5], Plaintext: Buffer.from(`message ${number}`) })
      .then((answer) => kms.decrypt({ CiphertextBlob: answer.CiphertextBlob }))
      .then((answer) => Buffer.from(answer.Plaintext).toString()),
  ),
);
assert.deepEqual(
  answers,
  Array.from({ length: 200 }, (_, number) => `message ${number}`),
);

console.log(
  JSON.stringify({
    keyArn: key.Arn,
    ciphertext: Buffer.from(sealed.CiphertextBlob).toString("base64"),
    context,
    plaintext: plaintext.toString("base64"),
  }),
);
