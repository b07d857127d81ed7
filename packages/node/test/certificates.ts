import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Certificates {
  /** Signed the three below it. */
  readonly authority: string;
  readonly server: Certificate;
  readonly client: Certificate;
  /** Signed by itself. */
  readonly stranger: Certificate;
}

const OPENSSL = "openssl";

/** Whether this machine can make certificates. */
export const hasOpenssl: boolean = spawnSync(OPENSSL, ["version"]).status === 0;

/** Makes an authority and what it signs, with the system's openssl. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "kvs-certificates-"));
  try {
    const authority = make(folder, "authority", "/CN=Test authority");
    const signed = (name: string, alternatives: string): Certificate =>
      make(
        folder,
        name,
        `/CN=${name}`,
        ["-CA", "authority.pem", "-CAkey", "authority.key"].concat([
          "-addext",
          `subjectAltName=${alternatives}`,
          "-addext",
          "basicConstraints=CA:FALSE",
        ]),
      );
    return {
      authority: authority.certificate,
      server: signed("server", "DNS:kvs.test,IP:127.0.0.1"),
      client: signed("n1", "DNS:n1.kvs.test,URI:kvs://node/n1"),
      stranger: make(folder, "stranger", "/CN=n1"),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function make(
  folder: string,
  name: string,
  subject: string,
  options: readonly string[] = [],
): Certificate {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
  const result = spawnSync(
    OPENSSL,
    ["req", "-x509", ...key, ...files, "-days", "2", "-subj", subject, ...options],
    { cwd: folder },
  );
  if (result.status !== 0) throw new Error(String(result.stderr));
  const read = (file: string): string => readFileSync(join(folder, file), "utf8");
  return { certificate: read(`${name}.pem`), key: read(`${name}.key`) };
}
