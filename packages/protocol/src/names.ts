import { protocolError } from "./protocol-error.ts";

const DATABASE_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const COLLECTION_NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * Checks the name of a database: 1 to 64 letters, digits, `_`, `-`.
 *
 * @throws {KvsError} `BAD_DATABASE_NAME`.
 */
export function checkDatabaseName(name: string): void {
  if (DATABASE_NAME.test(name)) return;
  const message = `${quote(name)} is no name of a database; use 1 to 64 letters, digits, "_", "-"`;
  throw protocolError("BAD_DATABASE_NAME", message);
}

/**
 * Checks the name of a collection: 1 to 128 letters, digits, `_`, `-`, `.`.
 *
 * @throws {KvsError} `QUERY_BAD_NAME`.
 */
export function checkCollectionName(name: string): void {
  if (COLLECTION_NAME.test(name)) return;
  const message = `${quote(name)} is no name of a collection; use 1 to 128 letters, digits, "_", "-", "."`;
  throw protocolError("QUERY_BAD_NAME", message);
}

/** The text in quotes, cut to a length that fits a message. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
