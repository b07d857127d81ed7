import { type KvsError, isKvsError } from "@kvs/env";
import { CommandFailure } from "./session.ts";

/** What a person is told when a command fails: what happened, and what to do. */
export function explain(error: unknown): string {
  if (error instanceof CommandFailure) return error.message;
  if (isKvsError(error)) return explainKvsError(error);
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a bug, please report it: ${shown}`;
}

function explainKvsError(error: KvsError): string {
  const { code, details } = error;
  if (code === "CONNECTION_FAILED" && details["reported"] === "NET_REFUSED") {
    return (
      `no server answers at ${details["address"]} (${code})\n` +
      "  is the server running? start it with: npm start\n" +
      "  another one: --url kvs://host:port/database, or KVS_URL"
    );
  }
  const doubt =
    error.outcome === "unknown" ? "\n  it may have happened or not: look before you repeat it" : "";
  return `${withoutCode(error)} (${code})${doubt}`;
}

/** The code stands behind the message, not before it. */
function withoutCode({ code, message }: KvsError): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}
