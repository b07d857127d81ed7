import { DEFAULT_DATABASE, DEFAULT_PORT, WIRE_PATH, checkDatabaseName } from "@kvs/protocol";
import { badUrl } from "./client-error.ts";

/** Where a client connects to. */
export interface ConnectionTarget {
  /** At least one; tried in this order. */
  readonly hosts: readonly HostAddress[];
  readonly database: string;
}

export interface HostAddress {
  /** A name or an address; one of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Hosts in one URL: as many as a cluster has nodes. */
const HOSTS_MAX = 100;

/**
 * Parses `kvs://host[:port][,host[:port]…][/database]`. The port is 5000 and the database `default`
 * unless given; an address of IPv6 is written in brackets.
 *
 * @throws {KvsError} `BAD_URL`, `BAD_DATABASE_NAME`.
 */
export function parseConnectionUrl(url: string): ConnectionTarget {
  const match = /^kvs:\/\/([^/?#]*)(?:\/([^/?#]*))?$/.exec(url);
  if (match === null) throw badUrl(url, reasonFor(url));
  const [, authority = "", path = ""] = match;
  if (authority.includes("@")) throw badUrl(url, "there is no login yet");
  const names = authority.split(",");
  if (names.length > HOSTS_MAX) throw badUrl(url, `more than ${HOSTS_MAX} hosts`);
  const hosts = names.map((name) => parseHost(name, url));
  const database = path === "" ? DEFAULT_DATABASE : path;
  checkDatabaseName(database);
  return { hosts, database };
}

/** The URL of a host's connections. */
export function wireUrl({ host, port }: HostAddress): string {
  return `ws://${host.includes(":") ? `[${host}]` : host}:${port}${WIRE_PATH}`;
}

/** The host as people write it. */
export function describeHost({ host, port }: HostAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function parseHost(text: string, url: string): HostAddress {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^[\]:\s]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) throw badUrl(url, `"${text}" is no host`);
  const [, name = "", digits] = match;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  if (port < 1 || port > 65_535) throw badUrl(url, `${digits} is no port`);
  return { host: name.startsWith("[") ? name.slice(1, -1) : name, port };
}

function reasonFor(url: string): string {
  if (!url.startsWith("kvs://")) return "the URL of a database begins with kvs://";
  return "the URL has parts that have no meaning here";
}
