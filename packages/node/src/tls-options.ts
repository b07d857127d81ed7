import { type ClientTls, type PeerIdentity, type ServerTls } from "@kvs/env";
import { isIP } from "node:net";
import { type ConnectionOptions, type TLSSocket, checkServerIdentity } from "node:tls";

const MIN_VERSION = "TLSv1.2";

/**
 * The server's settings in Node's words.
 *
 * @throws {Error} if they contradict each other.
 */
export function serverTlsOptions(tls: ServerTls): {
  cert: string;
  key: string;
  ca?: string;
  requestCert: boolean;
  rejectUnauthorized: boolean;
  minVersion: typeof MIN_VERSION;
} {
  const mustIdentify = tls.requireClientCertificate ?? false;
  if (mustIdentify && tls.authority === undefined) {
    // Without an authority of its own the server would believe every public one.
    throw new Error("requireClientCertificate needs an authority");
  }
  checkPem(tls.certificate, tls.key);
  return {
    cert: tls.certificate,
    key: tls.key,
    ...(tls.authority !== undefined && { ca: tls.authority }),
    requestCert: tls.authority !== undefined,
    rejectUnauthorized: mustIdentify,
    minVersion: MIN_VERSION,
  };
}

/**
 * The client's settings in Node's words.
 *
 * @throws {Error} if a certificate or key is empty.
 */
export function clientTlsOptions(tls: ClientTls = {}): ConnectionOptions {
  checkPem(tls.authority, tls.certificate, tls.key);
  const name = tls.serverName;
  return {
    minVersion: MIN_VERSION,
    ...(tls.authority !== undefined && { ca: tls.authority }),
    ...(tls.certificate !== undefined && { cert: tls.certificate }),
    ...(tls.key !== undefined && { key: tls.key }),
    ...(name !== undefined && {
      ...(isIP(name) === 0 && { servername: name }), // an address cannot be announced (RFC 6066)
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    }),
  };
}

/** Node takes an empty text for none at all, and goes on without: a settings file gone wrong. */
function checkPem(...texts: readonly (string | undefined)[]): void {
  for (const text of texts) {
    if (text?.trim() === "") throw new Error("a certificate or key is empty");
  }
}

/** Whom a socket's certificate names; `undefined` without TLS, certificate or a believed authority. */
export function identityOf(socket: object): PeerIdentity | undefined {
  if (!isTlsSocket(socket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  if (certificate.fingerprint256 === undefined) return undefined; // no certificate: an empty object
  const commonName: unknown = certificate.subject?.CN;
  return {
    commonName: typeof commonName === "string" ? commonName : "", // several names identify nobody
    alternativeNames: alternativeNames(certificate.subjectaltname ?? ""),
    fingerprint: certificate.fingerprint256,
  };
}

function isTlsSocket(socket: object): socket is TLSSocket {
  return "encrypted" in socket && "getPeerCertificate" in socket;
}

/**
 * Splits `DNS:a.example, IP Address:10.0.0.1, URI:"spiffe://x, y"`. A name that could be mistaken
 * for several is a JSON string.
 *
 * Source: Node's notes on CVE-2021-44532.
 */
export function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  for (const [, kind, value] of text.matchAll(/([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    names.push(`${kind!.trim()}:${value!.startsWith('"') ? String(JSON.parse(value!)) : value!}`);
  }
  return names;
}
