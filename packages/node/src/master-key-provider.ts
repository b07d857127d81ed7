import {
  type ErrorDetails,
  KEY_BYTES,
  type KeyProvider,
  type KeyProviderErrorCode,
  KvsError,
  NONCE_BYTES,
  TAG_BYTES,
  type WrappedKey,
  assert,
} from "@kvs/env";
import { createSecretKey, randomBytes } from "node:crypto";
import { nodeCiphers } from "./node-ciphers.ts";

/** Names of master keys: what can stand in a file, a message and a format. */
const NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
/** What a wrapped key begins with: how it was wrapped. */
const FORMAT = 1;
const SEALED_OFFSET: number = 1 + NONCE_BYTES + TAG_BYTES;
const WRAPPED_BYTES: number = SEALED_OFFSET + KEY_BYTES;

/** Where the text with the master keys comes from. */
export interface MasterKeySource {
  /** What to call it in messages. */
  readonly name: string;
  /** @throws {KvsError} `KEY_UNAVAILABLE`. */
  read(): Promise<string>;
}

/**
 * Wraps data keys by AES-256-GCM, with a random nonce, under the newest of the master keys that a
 * source names. The source is read for every call, so that a new master key needs no restart.
 *
 *     wrapped key = 01, nonce (12), tag (16), sealed key (32); associated: "KVS data key ", name
 */
export function masterKeyProvider(source: MasterKeySource): KeyProvider {
  return {
    name: source.name,
    async wrap(dataKey: Uint8Array): Promise<WrappedKey> {
      assert(dataKey.length === KEY_BYTES, "a data key has 32 bytes");
      const newest = parseMasterKeys(await source.read(), source.name).at(-1);
      if (newest === undefined) throw unavailable(source.name, "holds no master key");
      const bytes = new Uint8Array(WRAPPED_BYTES);
      bytes[0] = FORMAT;
      bytes.set(randomBytes(NONCE_BYTES), 1);
      const cipher = nodeCiphers.aes256Gcm(newest.key);
      cipher.seal(messageOf(bytes, newest.name), dataKey, bytes.subarray(SEALED_OFFSET));
      newest.key.fill(0);
      return { masterKeyName: newest.name, bytes };
    },
    async unwrap({ masterKeyName, bytes }: WrappedKey): Promise<Uint8Array> {
      const keys = parseMasterKeys(await source.read(), source.name);
      const master = keys.find(({ name }) => name === masterKeyName);
      if (master === undefined) throw unknownMaster(source.name, masterKeyName);
      const dataKey = new Uint8Array(KEY_BYTES);
      if (bytes.length !== WRAPPED_BYTES || bytes[0] !== FORMAT) {
        throw refused(source.name, masterKeyName);
      }
      const cipher = nodeCiphers.aes256Gcm(master.key);
      for (const { key } of keys) key.fill(0);
      const message = messageOf(bytes, masterKeyName);
      if (cipher.open(message, bytes.subarray(SEALED_OFFSET), dataKey)) return dataKey;
      throw refused(source.name, masterKeyName);
    },
  };
}

/**
 * A line with a fresh master key, for the file or the variable that a provider reads.
 *
 * @param name 1 to 64 letters, digits, dots, hyphens and underscores; each name is used once.
 */
export function newMasterKeyLine(name: string): string {
  if (!NAME_PATTERN.test(name)) throw badName(name);
  const key = createSecretKey(randomBytes(KEY_BYTES));
  return `${name} ${key.export().toString("base64")}`;
}

/** Says that there are no master keys to use, and where they were looked for. */
export function unavailable(
  source: string,
  what: string,
  details: ErrorDetails = {},
): KvsError<KeyProviderErrorCode> {
  const message = `${source} ${what}; make a line for it with: kvsctl keys new`;
  return new KvsError("KEY_UNAVAILABLE", message, { outcome: "none", retryable: true, details });
}

interface MasterKey {
  readonly name: string;
  readonly key: Uint8Array;
}

/** Lines `name base64`; empty ones and those behind `#` are skipped. The last one is the newest. */
function parseMasterKeys(text: string, source: string): readonly MasterKey[] {
  const keys: MasterKey[] = [];
  for (const [at, line] of text.split(/\r?\n|;/).entries()) {
    const content = line.trim();
    if (content === "" || content.startsWith("#")) continue;
    const [name = "", base64 = "", ...rest] = content.split(/\s+/);
    const key = new Uint8Array(Buffer.from(base64, "base64"));
    const isKey = key.length === KEY_BYTES && /^[A-Za-z0-9+/]{43}=$/.test(base64);
    const isLine = rest.length === 0 && isKey && NAME_PATTERN.test(name);
    if (!isLine) throw badLine(source, at + 1);
    if (keys.some((other) => other.name === name)) throw doubleName(source, at + 1, name);
    keys.push({ name, key });
  }
  return keys;
}

function messageOf(
  bytes: Uint8Array,
  name: string,
): { nonce: Uint8Array; associated: Uint8Array; tag: Uint8Array } {
  return {
    nonce: bytes.subarray(1, 1 + NONCE_BYTES),
    tag: bytes.subarray(1 + NONCE_BYTES, SEALED_OFFSET),
    associated: new TextEncoder().encode(`KVS data key ${name}`),
  };
}

/** Never says what stands in the line: it may be a key. */
function badLine(source: string, line: number): KvsError<KeyProviderErrorCode> {
  const what = `has a line ${line} that is not a name and a key of 32 bytes in base64`;
  return unavailable(source, what, { line });
}

function doubleName(source: string, line: number, name: string): KvsError<KeyProviderErrorCode> {
  return unavailable(source, `names two keys ${name}, the second in line ${line}`, { line });
}

function badName(name: string): KvsError<KeyProviderErrorCode> {
  const message =
    `"${name.slice(0, 64)}" is no name for a master key; ` +
    "use 1 to 64 letters, digits, dots, hyphens and underscores";
  return new KvsError("KEY_UNAVAILABLE", message, { outcome: "none" });
}

function unknownMaster(source: string, name: string): KvsError<KeyProviderErrorCode> {
  const message =
    `the data are sealed under the master key ${name}, which ${source} does not have; ` +
    "put its line back, or use the source that has it";
  return new KvsError("KEY_UNKNOWN_MASTER", message, { outcome: "none", details: { name } });
}

function refused(source: string, name: string): KvsError<KeyProviderErrorCode> {
  const message =
    `the master key ${name} of ${source} is not the one that the data are sealed under; ` +
    "put the right key back under this name";
  return new KvsError("KEY_REFUSED", message, { outcome: "none", details: { name } });
}
