import { type DocumentObject, type DocumentValue, decodeDocument } from "@kvs/codec";
import { HELLO_BYTES_MAX, PROTOCOL_VERSION } from "./limits.ts";
import { checkDatabaseName } from "./names.ts";
import { protocolError } from "./protocol-error.ts";

/** What a client says first: the document in its HELLO. Members that are unknown are ignored. */
export interface Hello {
  /** Versions of the protocol that the client speaks. */
  readonly versions: readonly number[];
  readonly database: string;
  /** Name and version of the client's software, for logs. */
  readonly client: string;
}

/** What a server answers: the document in its response to HELLO. */
export interface Welcome {
  /** The version that both will speak. */
  readonly version: number;
  /** Name of the node. */
  readonly nodeId: string;
}

/** The document of a HELLO. `credentials` has its place, and is null until there is a login. */
export function helloDocument(hello: Hello): DocumentObject {
  const { versions, database, client } = hello;
  return { versions, database, client, credentials: null };
}

/** The document of the answer. */
export function welcomeDocument(welcome: Welcome): DocumentObject {
  return { version: welcome.version, nodeId: welcome.nodeId };
}

/**
 * Reads the document of a HELLO.
 *
 * @throws {KvsError} `PROTOCOL_HANDSHAKE` if it is none; `BAD_DATABASE_NAME`; `CODEC_…`.
 */
export function readHello(bytes: Uint8Array): Hello {
  const document = readMembers(bytes);
  const { versions, database, client } = document;
  if (!Array.isArray(versions) || typeof database !== "string" || typeof client !== "string") {
    throw protocolError("PROTOCOL_HANDSHAKE", "a HELLO names versions, a database and a client");
  }
  checkDatabaseName(database);
  const numbers = versions.filter((version): version is number => typeof version === "number");
  return { versions: numbers, database, client: client.slice(0, CLIENT_NAME_MAX) };
}

/**
 * Reads the document of the answer to a HELLO.
 *
 * @throws {KvsError} `PROTOCOL_HANDSHAKE` if it is none; `PROTOCOL_VERSION` if the server chose a
 *   version that this side does not speak; `CODEC_…`.
 */
export function readWelcome(bytes: Uint8Array): Welcome {
  const { version, nodeId } = readMembers(bytes);
  if (typeof version !== "number" || typeof nodeId !== "string") {
    throw protocolError("PROTOCOL_HANDSHAKE", "the answer to a HELLO names a version and a node");
  }
  if (version !== PROTOCOL_VERSION) throw noCommonVersion([version]);
  return { version, nodeId };
}

/**
 * The version to speak with a client.
 *
 * @throws {KvsError} `PROTOCOL_VERSION` if there is none in common.
 */
export function chooseVersion(hello: Hello): number {
  if (hello.versions.includes(PROTOCOL_VERSION)) return PROTOCOL_VERSION;
  throw noCommonVersion(hello.versions);
}

/** Characters of a client's name that are kept. */
const CLIENT_NAME_MAX = 128;

function readMembers(bytes: Uint8Array): Readonly<Record<string, DocumentValue | undefined>> {
  const document = decodeDocument(bytes, { maxBytes: HELLO_BYTES_MAX, depthMax: 4 });
  const isObject = typeof document === "object" && document !== null && !Array.isArray(document);
  if (!isObject) throw protocolError("PROTOCOL_HANDSHAKE", "a handshake holds an object");
  return document as DocumentObject;
}

function noCommonVersion(theirs: readonly number[]): Error {
  const list = theirs.slice(0, 8).join(", ");
  return protocolError(
    "PROTOCOL_VERSION",
    `this side speaks version ${PROTOCOL_VERSION} of the protocol, the other ${list}; ` +
      "bring the older of the two up to date",
    { details: { version: PROTOCOL_VERSION, theirs: list } },
  );
}
