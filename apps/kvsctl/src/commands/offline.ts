import { describePage } from "@kvs/btree";
import { type DataKeys, type Environment, isKvsError, readFullyAt } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import {
  PAGE_BYTES,
  PAGE_INTERIOR,
  PAGE_LEAF,
  PageView,
  pageType,
  printPage,
  sealedKeyOf,
  toPageId,
  verifyPages,
} from "@kvs/pager";
import { Store, recordKindName, storePaths } from "@kvs/txn";
import { type SegmentCheck, checkWal, dumpWal } from "@kvs/wal";
import { CommandFailure, type Session, callersPath } from "../session.ts";
import { type OfflineFlags, encryptionOf, keysOf } from "./encryption.ts";

/** Page cache while a store is checked: it is read once, from end to end. */
const CHECK_MEMORY_BYTES: number = 64 << 20;

/** What a check of the files found, in the words of the package that looked. */
interface Problem {
  readonly where: string;
  readonly what: string;
}

/**
 * Looks at every byte of a stopped data directory: log, pages, trees. First the files as they are,
 * then, if those are whole, the store itself, which recovers it if it was not closed.
 */
export async function check(session: Session, flags: OfflineFlags): Promise<void> {
  const { dataDir } = flags;
  const environment = createNodeEnvironment();
  const path = callersPath(dataDir);
  await requireStopped(environment, path, dataDir);
  const keys = await keysOf(environment, path, flags);
  const problems = [...(await checkFiles(environment, path, keys))];
  if (problems.length === 0) problems.push(...(await checkStore(environment, path, flags)));
  const { output } = session;
  for (const problem of problems) {
    if (output.isJson) await output.value(problem);
    else await output.line(`${problem.where}: ${problem.what}`);
  }
  if (problems.length > 0) {
    process.exitCode = 1;
    await output.say(`${problems.length} problems; restore the data from a copy`);
  } else if (output.isJson) await output.value({ problems: 0 });
  else await output.say(`${dataDir} is sound`);
}

/** Prints the records of the log: a line for each, and the first bytes of what it holds. */
export async function walDump(session: Session, flags: OfflineFlags): Promise<void> {
  const { dataDir } = flags;
  const environment = createNodeEnvironment();
  const path = callersPath(dataDir);
  await requireStopped(environment, path, dataDir);
  const keys = await keysOf(environment, path, flags);
  const options = { kindName: recordKindName, ...keys };
  for await (const line of dumpWal(environment, storePaths(path).log, options)) {
    if (session.output.isJson) await session.output.value(line);
    else await session.output.line(line);
  }
}

/** Reads the whole log and prints what is in each segment, and how it ends. */
export async function walVerify(session: Session, flags: OfflineFlags): Promise<void> {
  const { dataDir } = flags;
  const environment = createNodeEnvironment();
  const path = callersPath(dataDir);
  await requireStopped(environment, path, dataDir);
  const keys = await keysOf(environment, path, flags);
  const found = await checkWal(environment, storePaths(path).log, keys);
  const { segments, damage, ...sums } = found;
  const { output } = session;
  if (output.isJson) {
    for (const segment of segments) await output.value(segment);
    const { message, details } = damage ?? {};
    await output.value(damage === undefined ? sums : { ...sums, damage: { message, details } });
  } else {
    for (const segment of segments) await output.line(describeSegment(segment));
    await output.line(
      `${sums.segmentCount} files, ${sums.recordCount} records, ${sums.payloadBytes} bytes, ` +
        `positions ${sums.headPosition} to ${sums.endLsn}, epoch ${sums.epoch}: ${sums.state}`,
    );
    if (damage !== undefined) await output.line(damage.message);
  }
  if (damage !== undefined) process.exitCode = 1;
}

function describeSegment(segment: SegmentCheck): string {
  const { path, base, recordCount, payloadBytes, firstEpoch, lastEpoch, keyIds } = segment;
  const keys = keyIds.length === 0 ? "not sealed" : `keys ${keyIds.join(", ")}`;
  const compressed =
    segment.compressedCount === 0 ? "" : `, ${segment.compressedCount} of them compressed`;
  return (
    `${path}  base ${base}  ${recordCount} records${compressed}  ${payloadBytes} bytes  ` +
    `epochs ${firstEpoch} to ${lastEpoch}  ${keys}`
  );
}

/** Prints one page of the page file: its bytes and, if it is part of a tree, its entries. */
export async function pageDump(session: Session, dataDir: string, page: number): Promise<void> {
  const environment = createNodeEnvironment();
  const path = callersPath(dataDir);
  await requireStopped(environment, path, dataDir);
  const file = await environment.disk.open(storePaths(path).pages, { readOnly: true });
  try {
    const pages = Math.ceil((await file.size()) / PAGE_BYTES);
    if (page >= pages) {
      throw new CommandFailure(`there is no page ${page}: the file has pages 0 to ${pages - 1}`);
    }
    const bytes = new Uint8Array(PAGE_BYTES);
    const read = await readFullyAt(file, bytes, page * PAGE_BYTES);
    const text = printPage(bytes.subarray(0, read), toPageId(page));
    const entries = read === PAGE_BYTES ? entriesOf(bytes) : "";
    if (session.output.isJson) await session.output.value(`${text}${entries}`);
    else await session.output.line(`${text}${entries}`);
  } finally {
    await file.close();
  }
}

/** The entries of a tree's page. Of a sealed one only the header can be read, which was printed. */
function entriesOf(bytes: Uint8Array): string {
  if (sealedKeyOf(bytes) !== 0) return "";
  const page = PageView.of(bytes);
  const type = pageType(page);
  return type === PAGE_LEAF || type === PAGE_INTERIOR ? `\n${describePage(page)}` : "";
}

/** Refuses a folder that is no data directory, or that a server has open. */
export async function requireStopped(
  environment: Environment,
  path: string,
  shown: string,
): Promise<void> {
  const { lock, pages } = storePaths(path);
  if ((await environment.disk.stat(pages)) === undefined) {
    throw new CommandFailure(`${shown} holds no data of KVS; name the folder with --data-dir`);
  }
  try {
    await (await environment.disk.lock(lock)).release();
  } catch (error) {
    if (!isKvsError(error, "DISK_LOCKED")) throw error;
    const message = `a server has ${shown} open; stop it first`;
    throw new CommandFailure(message, { cause: error });
  }
}

async function checkFiles(
  environment: Environment,
  path: string,
  keys: { readonly keys?: DataKeys },
): Promise<Problem[]> {
  const { log, pages } = storePaths(path);
  const problems: Problem[] = [];
  const wal = await checkWal(environment, log, keys);
  if (wal.damage !== undefined) problems.push({ where: log, what: wal.damage.message });
  try {
    const report = await verifyPages(environment, pages, keys);
    if (report?.header.isClean !== true) return problems; // whole only with its log: recovery tells
    for (const { page, reason, expected, found } of report.problems) {
      const what = `${reason}, expected ${expected}, found ${found}`;
      problems.push({ where: `${pages} page ${page}`, what });
    }
  } catch (error) {
    problems.push({ where: pages, what: textOf(error) });
  }
  return problems;
}

async function checkStore(
  environment: Environment,
  path: string,
  flags: OfflineFlags,
): Promise<Problem[]> {
  try {
    const store = await Store.open(environment, {
      path,
      memoryBytes: CHECK_MEMORY_BYTES,
      ...encryptionOf(flags),
    });
    try {
      const findings = await store.check();
      return findings.map(({ tree, page, type, message }) => ({
        where: `tree ${tree === "" ? "-" : tree} page ${page}`,
        what: `${type}: ${message}`,
      }));
    } finally {
      await store.close();
    }
  } catch (error) {
    return [{ where: path, what: textOf(error) }];
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
