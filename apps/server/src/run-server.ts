import { statfs } from "node:fs/promises";
import {
  type Environment,
  type KeyProvider,
  type KvsError,
  MemoryDisk,
  type Trace,
  isKvsError,
  noTrace,
} from "@kvs/env";
import { createNodeEnvironment, fileKeyProvider, variableKeyProvider } from "@kvs/node";
import { type OpenedStore, openEngine } from "@kvs/query";
import { type CheckStatus, Server, warmUp } from "@kvs/server";
import { type ServerConfig } from "./settings.ts";

/** Free space below which health warns, and fails: 5 % and 1 % of the disk. */
const SPACE_WARN_SHARE = 0.05;
const SPACE_FAIL_SHARE = 0.01;
/** Resident memory beyond the page cache at which health warns: code, requests, answers. */
const MEMORY_WARN_BYTES: number = 384 << 20;

/** How long a start may take for code to be compiled: longer ones gain little. */
const WARM_UP_MS = 200;
/** Of the store in memory that it writes into. */
const SCRATCH_BYTES: number = 4 << 20;

/** A server that accepts requests. */
export interface RunningServer {
  readonly port: number;
  /** Finishes what is under way, makes a checkpoint, closes files. A second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Opens the data and serves it.
 *
 * @throws {KvsError} `DISK_LOCKED`, `NET_ADDRESS_IN_USE`, `SERVER_INSECURE`, and all that tells of
 *   damaged data, or of data of another version. Nothing is left open.
 */
export async function runServer(config: ServerConfig, trace: Trace): Promise<RunningServer> {
  const environment: Environment = createNodeEnvironment({ trace });
  const opened = await openEngine(environment, {
    path: config.dataDir,
    memoryBytes: config.memory,
    segmentBytes: config.walSegmentSize,
    checkpointIntervalMs: config.checkpointInterval,
    compression: { values: config.compressValues, log: config.compressLog },
    ...encryptionOf(config),
  });
  try {
    await compileCode(environment);
    const server = await Server.start(environment, {
      databases: opened.engine,
      host: config.host,
      port: config.port,
      insecure: config.insecure,
      nodeId: config.nodeId,
      probes: {
        storage: () => storageStatus(opened),
        memory: () => memoryStatus(config),
        diskSpace: () => spaceStatus(config.dataDir),
      },
    });
    let closing: Promise<void> | undefined;
    return {
      port: server.port,
      close: () => (closing ??= closeAll(server, opened)),
    };
  } catch (error) {
    await opened.close().catch(() => undefined);
    throw error;
  }
}

/**
 * Does in memory what clients will ask for, before the first one comes: in a fresh process the first
 * batches of documents keep the event loop busy for 20 ms each, after this for 10.
 */
async function compileCode(environment: Environment): Promise<void> {
  const inMemory = { ...environment, disk: new MemoryDisk(), trace: noTrace };
  const options = { path: "warm-up", memoryBytes: SCRATCH_BYTES, segmentBytes: SCRATCH_BYTES };
  const scratch = await openEngine(inMemory, options);
  await warmUp(inMemory, scratch.engine, WARM_UP_MS);
  await scratch.close();
}

/** Where the settings say that the master keys are. */
function encryptionOf({ keyFile, keyVariable }: ServerConfig): {
  readonly encryption?: { readonly provider: KeyProvider };
} {
  if (keyFile !== "") return { encryption: { provider: fileKeyProvider(keyFile) } };
  if (keyVariable === "") return {};
  return { encryption: { provider: variableKeyProvider(keyVariable) } };
}

async function closeAll(server: Server, opened: OpenedStore): Promise<void> {
  try {
    await server.close();
  } finally {
    await opened.close();
  }
}

/** Whether the store takes writes: it refuses them for good after a failure that left it in doubt. */
function storageStatus(opened: OpenedStore): CheckStatus {
  return opened.store.isPoisoned ? "fail" : "ok";
}

function memoryStatus(config: ServerConfig): CheckStatus {
  return process.memoryUsage.rss() > config.memory + MEMORY_WARN_BYTES ? "warn" : "ok";
}

async function spaceStatus(path: string): Promise<CheckStatus> {
  const { bavail, blocks } = await statfs(path);
  const share = bavail / blocks;
  if (share < SPACE_FAIL_SHARE) return "fail";
  return share < SPACE_WARN_SHARE ? "warn" : "ok";
}

/** What a person is told when the server cannot start: what happened, and what to do. */
export function explainStart(error: unknown, config: ServerConfig): string {
  if (isKvsError(error, "NET_ADDRESS_IN_USE")) {
    const other = config.port < 65_535 ? config.port + 1 : 5000;
    return `port ${config.port} is in use; stop the other program, or choose another port: --port ${other}`;
  }
  if (isKvsError(error, "NET_DENIED")) {
    return `the system does not let this process listen on port ${config.port}; choose one above 1023: --port 5000`;
  }
  if (isKvsError(error, "NET_UNREACHABLE")) {
    return `${config.host} is no address of this machine; choose another --host, such as 127.0.0.1`;
  }
  if (isKvsError(error, "DISK_LOCKED")) {
    const { owner } = error.details;
    const who = owner === undefined ? "another process" : `process ${owner}`;
    return `${who} has the data in ${config.dataDir} open; stop it, or use another --data-dir`;
  }
  if (isKvsError(error, "DISK_DENIED", "DISK_READ_ONLY")) {
    return `the folder ${config.dataDir} cannot be written; choose another --data-dir, or change its rights`;
  }
  if (isKvsError(error, "DISK_NOT_FOUND", "DISK_EXISTS")) {
    return `the folder ${config.dataDir} cannot be made (${withoutCode(error)}); choose another --data-dir`;
  }
  if (isKvsError(error)) return withoutCode(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A message for people: the code before it is for programs. */
export function withoutCode({ code, message }: KvsError): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}
