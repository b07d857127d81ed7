import { type TraceLevel } from "@kvs/env";
import { z } from "zod";

/**
 * Every setting of the server: its place in the configuration file, its environment variable, its
 * flag, what it means, and what a value has to be. Later sources win: file, environment, flags.
 *
 * docs/operating/configure.md describes them for administrators; a test keeps the two together.
 */
export interface Setting<Value = unknown> {
  /** Dotted place in the YAML file. */
  readonly path: string;
  readonly variable: string;
  /** As commander wants it: `--port <number>`. */
  readonly flag: string;
  readonly description: string;
  readonly schema: z.ZodType<Value>;
  readonly fallback: Value;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, kb: 1 << 10, mb: 1 << 20, gb: 1 << 30 };
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const port = whole(0, 65_535);
const flagValue: z.ZodType<boolean> = z.unknown().transform((value, context) => {
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  return fail(context, `is true or false, not ${show(value)}`);
});

/** What the server runs with. */
export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  readonly insecure: boolean;
  readonly dataDir: string;
  /** Bytes of page cache. */
  readonly memory: number;
  readonly pageSize: number;
  readonly walSegmentSize: number;
  /** In milliseconds. */
  readonly checkpointInterval: number;
  /** File with the master keys; "" for none. */
  readonly keyFile: string;
  /** Environment variable with the master keys; "" for none. */
  readonly keyVariable: string;
  readonly compressValues: boolean;
  readonly compressLog: boolean;
  readonly nodeId: string;
  readonly logLevel: TraceLevel;
  readonly logFormat: "auto" | "json" | "text";
}

export type SettingName = keyof ServerConfig;

export const SETTINGS: { readonly [Name in SettingName]: Setting<ServerConfig[Name]> } = {
  host: {
    path: "network.host",
    variable: "KVS_HOST",
    flag: "--host <address>",
    description: "address to listen on",
    schema: text(1, 255),
    fallback: "127.0.0.1",
  },
  port: {
    path: "network.port",
    variable: "KVS_PORT",
    flag: "--port <number>",
    description: "port to listen on; 0 lets the system choose",
    schema: port,
    fallback: 5000,
  },
  insecure: {
    path: "network.insecure",
    variable: "KVS_INSECURE",
    flag: "--insecure",
    description: "listen beyond this machine without encryption and login",
    schema: flagValue,
    fallback: false,
  },
  dataDir: {
    path: "storage.data_dir",
    variable: "KVS_DATA_DIR",
    flag: "--data-dir <folder>",
    description: "where the data is",
    schema: text(1, 4096),
    fallback: "./kvs-data",
  },
  memory: {
    path: "storage.memory",
    variable: "KVS_MEMORY",
    flag: "--memory <size>",
    description: "page cache, such as 128MB",
    schema: size(1 << 20, 2 ** 34),
    fallback: 128 << 20,
  },
  pageSize: {
    path: "storage.page_size",
    variable: "KVS_PAGE_SIZE",
    flag: "--page-size <size>",
    description: "bytes of a page; 4096 is the only one",
    schema: size(4096, 4096),
    fallback: 4096,
  },
  walSegmentSize: {
    path: "storage.wal_segment_size",
    variable: "KVS_WAL_SEGMENT_SIZE",
    flag: "--wal-segment-size <size>",
    description: "bytes of one file of the log, when it is made",
    schema: size(64 << 10, 1 << 30, 512),
    fallback: 64 << 20,
  },
  checkpointInterval: {
    path: "storage.checkpoint_interval",
    variable: "KVS_CHECKPOINT_INTERVAL",
    flag: "--checkpoint-interval <time>",
    description: "time between checkpoints, such as 60s",
    schema: duration(1000, 24 * 3_600_000),
    fallback: 60_000,
  },
  keyFile: {
    path: "storage.encryption.key_file",
    variable: "KVS_ENCRYPTION_KEY_FILE",
    flag: "--encryption-key-file <file>",
    description: "file with the master keys: data are encrypted",
    schema: text(0, 4096),
    fallback: "",
  },
  keyVariable: {
    path: "storage.encryption.key_variable",
    variable: "KVS_ENCRYPTION_KEY_VARIABLE",
    flag: "--encryption-key-variable <name>",
    description: "environment variable with the master keys: data are encrypted",
    schema: text(0, 255),
    fallback: "",
  },
  compressValues: {
    path: "storage.compression.values",
    variable: "KVS_COMPRESS_VALUES",
    flag: "--compress-values",
    description: "compress long values",
    schema: flagValue,
    fallback: false,
  },
  compressLog: {
    path: "storage.compression.log",
    variable: "KVS_COMPRESS_LOG",
    flag: "--compress-log",
    description: "compress the log",
    schema: flagValue,
    fallback: false,
  },
  nodeId: {
    path: "node.id",
    variable: "KVS_NODE_ID",
    flag: "--node-id <name>",
    description: "name of this node in health reports and logs",
    schema: text(1, 64),
    fallback: "node-1",
  },
  logLevel: {
    path: "log.level",
    variable: "KVS_LOG_LEVEL",
    flag: "--log-level <level>",
    description: "error, warn, info, debug or trace",
    schema: choice("error", "warn", "info", "debug", "trace"),
    fallback: "info",
  },
  logFormat: {
    path: "log.format",
    variable: "KVS_LOG_FORMAT",
    flag: "--log-format <format>",
    description: "json, text, or auto: text on a terminal, else json",
    schema: choice("auto", "json", "text"),
    fallback: "auto",
  },
};

function text(least: number, most: number): z.ZodType<string> {
  return z.unknown().transform((value, context) => {
    const shown = typeof value === "number" ? String(value) : value;
    const isGood = typeof shown === "string" && shown.length >= least && shown.length <= most;
    return isGood ? shown : fail(context, `is a text of ${least} to ${most} characters`);
  });
}

function whole(least: number, most: number): z.ZodType<number> {
  return z.unknown().transform((value, context) => {
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
    const isGood = Number.isInteger(number) && Number(number) >= least && Number(number) <= most;
    if (isGood) return Number(number);
    return fail(context, `is an integer from ${least} to ${most}, not ${show(value)}`);
  });
}

/** Bytes, or a number with a unit: `64MB`. */
function size(least: number, most: number, multipleOf = 1): z.ZodType<number> {
  return z.unknown().transform((value, context) => {
    const match = /^(\d+)\s*([kmg]b)?$/i.exec(String(value).trim());
    const bytes = match === null ? Number.NaN : Number(match[1]) * UNITS[unitOf(match[2])]!;
    if (bytes >= least && bytes <= most && bytes % multipleOf === 0) return bytes;
    const multiple = multipleOf === 1 ? "" : `, a multiple of ${multipleOf}`;
    const range =
      least === most ? `${least}` : `${showSize(least)} to ${showSize(most)}${multiple}`;
    return fail(context, `is a size such as 64MB (${range}), not ${show(value)}`);
  });
}

/** Milliseconds, or a number with a unit: `60s`. */
function duration(leastMs: number, mostMs: number): z.ZodType<number> {
  return z.unknown().transform((value, context) => {
    const match = /^(\d+)\s*(ms|s|m|h)?$/.exec(String(value).trim());
    const ms = match === null ? Number.NaN : Number(match[1]) * TIME_UNITS[match[2] ?? "ms"]!;
    if (ms >= leastMs && ms <= mostMs) return ms;
    const range = `${leastMs / 1000} s to ${mostMs / 3_600_000} h`;
    return fail(context, `is a time such as 60s (${range}), not ${show(value)}`);
  });
}

function choice<Name extends string>(...names: readonly Name[]): z.ZodType<Name> {
  return z.unknown().transform((value, context) => {
    const name = names.find((candidate) => candidate === String(value).toLowerCase());
    return name ?? fail(context, `is one of ${names.join(", ")}, not ${show(value)}`);
  });
}

function fail(context: z.core.$RefinementCtx, message: string): never {
  context.addIssue(message);
  return z.NEVER;
}

function unitOf(unit: string | undefined): string {
  return (unit ?? "").toLowerCase();
}

function showSize(bytes: number): string {
  if (bytes >= 1 << 30) return `${bytes / (1 << 30)} GB`;
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MB` : `${bytes / 1024} KB`;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}
