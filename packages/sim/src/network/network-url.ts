/** The parts of an address that the simulated network understands. */
export interface NetworkUrl {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
  /** With the leading "/". */
  readonly path: string;
  /** What follows "?". */
  readonly query: string;
}

const PATTERN =
  /^(ws|wss|http|https):\/\/(\[[^\]]+\]|[^:/?#[\]]+)(?::(\d{1,5}))?(\/[^?#]*)?(?:\?([^#]*))?(?:#.*)?$/;

/**
 * Takes `scheme://host:port/path?query` apart.
 *
 * @param schemes The schemes allowed, the secure one second.
 * @returns `undefined` if it is no such address.
 */
export function parseUrl(url: string, schemes: readonly [string, string]): NetworkUrl | undefined {
  const match = PATTERN.exec(url);
  const scheme = match?.[1];
  if (match === null || scheme === undefined || !schemes.includes(scheme)) return undefined;
  const isSecure = scheme === schemes[1];
  return {
    isSecure,
    host: match[2]!,
    port: match[3] === undefined ? (isSecure ? 443 : 80) : Number(match[3]),
    path: match[4] ?? "/",
    query: match[5] ?? "",
  };
}
