/**
 * Certificates without cryptography. A PEM text of the simulation is a few lines:
 *
 *     n1                                     the common name
 *     issuer: ca                             optional; "ca" unless said
 *     alternative: DNS:n1, IP Address:10.0.0.1    optional
 *
 * An authority's text is its common name. A side believes a certificate if the issuer's name is
 * its authority's, "ca" by default; a client also checks that the name it asked for is the common
 * name or among the alternatives. A private key is any text that is not empty.
 */
import { type ClientTls, type PeerIdentity, type ServerTls } from "@kvs/env";
import { hashText } from "../trace-hash.ts";

/** Who issues certificates that do not name their issuer. */
const DEFAULT_AUTHORITY = "ca";

/** What {@link simulatedCertificate} writes. */
export interface CertificateFields {
  readonly commonName: string;
  readonly issuer?: string;
  readonly alternativeNames?: readonly string[];
}

/** The text of a simulated certificate, for `ServerTls.certificate` and `ClientTls.certificate`. */
export function simulatedCertificate(fields: CertificateFields): string {
  const lines = [fields.commonName];
  if (fields.issuer !== undefined) lines.push(`issuer: ${fields.issuer}`);
  const alternatives = fields.alternativeNames ?? [];
  if (alternatives.length > 0) lines.push(`alternative: ${alternatives.join(", ")}`);
  return lines.join("\n");
}

/** Whether a server can start with these texts. */
export function isUsableTls(tls: ServerTls): boolean {
  return parse(tls.certificate).identity.commonName !== "" && tls.key.trim() !== "";
}

/** What came of a TLS handshake; each side knows the other if it verified a certificate. */
export type Handshake =
  | {
      readonly type: "done";
      readonly ofServer: PeerIdentity | undefined;
      readonly ofClient: PeerIdentity | undefined;
    }
  | { readonly type: "failed"; readonly reason: string };

/** Performs the handshake between a server's and a client's settings. Pure. */
export function shakeHands(
  server: ServerTls | undefined,
  client: ClientTls | undefined,
  target: { readonly isSecure: boolean; readonly host: string },
): Handshake {
  if (server === undefined && !target.isSecure) {
    return { type: "done", ofServer: undefined, ofClient: undefined };
  }
  if (server === undefined || !target.isSecure) {
    return { type: "failed", reason: "one side speaks TLS and the other does not" };
  }
  const shown = parse(server.certificate);
  if (shown.issuer !== authorityOf(client?.authority)) {
    return { type: "failed", reason: "the server's certificate has an unknown issuer" };
  }
  if (!covers(shown.identity, client?.serverName ?? target.host)) {
    return { type: "failed", reason: "the server's certificate is for another name" };
  }
  const ofClient = verifiedClient(server, client);
  if (ofClient === undefined && server.requireClientCertificate === true) {
    return { type: "failed", reason: "the server wants a client certificate it can verify" };
  }
  return { type: "done", ofServer: shown.identity, ofClient };
}

function verifiedClient(
  server: ServerTls,
  client: ClientTls | undefined,
): PeerIdentity | undefined {
  if (client?.certificate === undefined || server.authority === undefined) return undefined;
  const shown = parse(client.certificate);
  return shown.issuer === authorityOf(server.authority) ? shown.identity : undefined;
}

function authorityOf(text: string | undefined): string {
  return text === undefined ? DEFAULT_AUTHORITY : parse(text).identity.commonName;
}

function covers(identity: PeerIdentity, name: string): boolean {
  return (
    identity.commonName === name ||
    identity.alternativeNames.includes(`DNS:${name}`) ||
    identity.alternativeNames.includes(`IP Address:${name}`)
  );
}

function parse(text: string): { readonly identity: PeerIdentity; readonly issuer: string } {
  const [commonName = "", ...rest] = text.trim().split("\n");
  let issuer = DEFAULT_AUTHORITY;
  let alternativeNames: string[] = [];
  for (const line of rest) {
    if (line.startsWith("issuer: ")) issuer = line.slice("issuer: ".length).trim();
    if (line.startsWith("alternative: ")) {
      alternativeNames = line.slice("alternative: ".length).trim().split(", ");
    }
  }
  return { identity: { commonName, alternativeNames, fingerprint: fingerprint(text) }, issuer };
}

/** In the form of a SHA-256 fingerprint, for code that compares or prints them. */
function fingerprint(text: string): string {
  const pairs: string[] = [];
  for (let part = 0; part < 32; part++) {
    const byte = hashText(`${part} ${text.trim()}`) & 0xff;
    pairs.push(byte.toString(16).padStart(2, "0").toUpperCase());
  }
  return pairs.join(":");
}
