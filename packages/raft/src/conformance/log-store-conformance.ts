/**
 * What every log store must do, as a list of checks for any test runner.
 */
import { AssertionFailure, type Random, createRandom } from "@kvs/env";

import { type ConfigurationInput } from "../core/configuration.ts";
import { bytesOf, countOf, type EntryBatch, packPayloads } from "../core/entry.ts";
import { type LogIndex } from "../core/ids.ts";
import { type GroupLog } from "../store/group-log.ts";
import { drawWrite, entriesOf, LogModel, summarize } from "./log-model.ts";

/** A place for the log of one group. */
export interface LogStoreSubject {
  /** Opens the log; makes it, with these founders, if it is not there. Called again after `close`. */
  open(founders: ConfigurationInput): Promise<GroupLog>;
  /** Closes what `open` gave. */
  close(): Promise<void>;
}

/** One checkable promise of a log store. */
export interface LogStoreCase {
  readonly name: string;
  /** Throws if the promise is broken. @param subject A place that is empty. */
  readonly run: (subject: LogStoreSubject) => Promise<void>;
}

const FOUNDERS: ConfigurationInput = { incoming: [1, 2, 3] };
const NOTHING = { hardState: undefined, newBase: undefined, cutFrom: 0, entries: [] } as const;
const RANDOM_LIVES = 30;
const RANDOM_WRITES = 40;

/** Every promise of `GroupLog` that shows without a crash. */
export function logStoreConformance(): readonly LogStoreCase[] {
  return [...imageCases(), ...readCases(), ...randomCases()];
}

function imageCases(): LogStoreCase[] {
  return [
    {
      name: "a new log has its founders and nothing else",
      run: async (subject) => {
        const image = (await subject.open(FOUNDERS)).image();
        check(image.lastIndex === 0 && image.runs.length === 0, "it has no entries");
        check(image.base.configuration.incoming.join() === "1,2,3", "it knows its founders");
        check(image.hardState.term === 0 && image.damaged.length === 0, "it has no history");
        await subject.close();
      },
    },
    {
      name: "a vote is there after it was synced",
      run: async (subject) => {
        const log = await subject.open(FOUNDERS);
        const hardState = { term: 7, votedFor: 2, commitIndex: 0 };
        log.write({ ...NOTHING, hardState });
        await log.sync();
        await subject.close();
        const found = (await subject.open(FOUNDERS)).image().hardState;
        check(found.term === 7 && found.votedFor === 2, "term and vote are as they were written");
        await subject.close();
      },
    },
    {
      name: "founders that are given later do not matter",
      run: async (subject) => {
        const log = await subject.open(FOUNDERS);
        await log.sync();
        await subject.close();
        const image = (await subject.open({ incoming: [8, 9] })).image();
        check(image.base.configuration.incoming.join() === "1,2,3", "the first ones stay");
        await subject.close();
      },
    },
  ];
}

function readCases(): LogStoreCase[] {
  return [
    {
      name: "a read gives at least one entry, and no more than was asked for",
      run: async (subject) => {
        const reader = await openReader(subject);
        reader.log.write({ ...NOTHING, hardState: VOTED, entries: [commands(1, 20, 100)] });
        await reader.log.sync();
        for (const maxBytes of [1, 108, 109, 500, 1 << 20]) {
          const batches = await reader.read(3, 18, maxBytes);
          const indices = entriesOf(batches).map(({ index }) => index);
          const weight = batches.reduce((sum, batch) => sum + bytesOf(batch), 0);
          check(indices[0] === 3 && indices.at(-1)! <= 18, "entries are those asked for");
          check(indices.length === 1 || weight <= maxBytes, "they weigh no more than asked for");
          check(indices.length >= Math.min(16, Math.floor(maxBytes / 108)), "as many as fit");
        }
        await subject.close();
      },
    },
    {
      name: "an entry of a megabyte is read, before and after a reopening",
      run: async (subject) => {
        let reader = await openReader(subject);
        const entries = [commands(1, 1, 1 << 20), commands(2, 3, 5)];
        reader.log.write({ ...NOTHING, hardState: VOTED, entries });
        await reader.log.sync();
        for (let round = 0; round < 2; round++) {
          const [first] = await reader.read(1, 4, 10);
          check(countOf(first!) === 1 && bytesOf(first!) > 1 << 20, "the long one comes alone");
          const rest = await reader.read(2, 4, 1000);
          check(entriesOf(rest).length === 3, "the short ones come together");
          await subject.close();
          reader = await openReader(subject);
        }
        await subject.close();
      },
    },
    {
      name: "what is cut off does not come back",
      run: async (subject) => {
        const log = await subject.open(FOUNDERS);
        log.write({ ...NOTHING, hardState: VOTED, entries: [commands(1, 10, 9)] });
        log.write({ ...NOTHING, cutFrom: 4 });
        await log.sync();
        await subject.close();
        const reader = await openReader(subject);
        check(reader.log.image().lastIndex === 3, "the log ends before the cut");
        check(entriesOf(await reader.read(1, 3, 1000)).length === 3, "what is before is there");
        await subject.close();
      },
    },
    {
      name: "repairs leave the entries as they were",
      run: async (subject) => {
        let reader = await openReader(subject);
        reader.log.write({ ...NOTHING, hardState: VOTED, entries: [commands(1, 10, 9)] });
        const [repaired] = await reader.read(4, 6, 1000);
        const before = entriesOf(await reader.read(1, 10, 1000));
        reader.log.write({ ...NOTHING, repairs: [repaired!] });
        await reader.log.sync();
        await subject.close();
        reader = await openReader(subject);
        check(reader.log.image().lastIndex === 10, "a repair adds nothing");
        check(isSame(await reader.readAll(1, 10), before), "and changes nothing");
        await subject.close();
      },
    },
  ];
}

function randomCases(): LogStoreCase[] {
  return [
    {
      name: "a log is what was written to it, whatever was, and after reopenings too",
      run: async (subject) => {
        const random = createRandom(17);
        let reader = await openReader(subject);
        let model = new LogModel();
        for (let life = 0; life < RANDOM_LIVES; life++) {
          for (let left = RANDOM_WRITES; left > 0; left--) {
            model = writeOne(reader.log, model, random);
            if (random.chance(0.1)) await reader.log.sync();
            if (random.chance(0.1)) await checkSame(reader, model);
          }
          await reader.log.sync();
          await subject.close();
          reader = await openReader(subject);
          await checkSame(reader, model);
        }
        await subject.close();
      },
    },
  ];
}

const VOTED = { term: 1, votedFor: 1, commitIndex: 0 };

function writeOne(log: GroupLog, model: LogModel, random: Random): LogModel {
  const write = drawWrite(random, model, 60);
  log.write(write);
  return model.after(write).at(-1)!;
}

async function checkSame(reader: LogReader, model: LogModel): Promise<void> {
  const image = reader.log.image();
  const found = JSON.stringify(summarize(image));
  check(model.isImage(image), `the image is ${model.describe()}, not ${found}`);
  const { base, lastIndex, entries } = model;
  if (lastIndex === base.index) return;
  check(isSame(await reader.readAll(base.index + 1, lastIndex), entries), "entries are as written");
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** `count` commands of `bytes` bytes each, in term 1. */
function commands(firstIndex: LogIndex, count: number, bytes: number): EntryBatch {
  const payloads = Array.from({ length: count }, (_, at) =>
    new Uint8Array(bytes).fill(firstIndex + at),
  );
  return { kind: "command", term: 1, firstIndex, ...packPayloads(payloads) };
}

/** Reads and waits for what has to be loaded. */
export class LogReader {
  readonly log: GroupLog;
  #wake: ((error: unknown) => void) | undefined;

  constructor(log: GroupLog) {
    this.log = log;
    log.onLoaded((error) => this.#wake?.(error));
  }

  async read(from: LogIndex, to: LogIndex, maxBytes: number): Promise<readonly EntryBatch[]> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const loaded = new Promise<unknown>((resolve) => {
        this.#wake = resolve;
      });
      const found = this.log.read(from, to, maxBytes);
      if (found !== undefined) return found;
      const error = await loaded;
      if (error !== undefined) throw error;
    }
    throw new AssertionFailure("what was loaded can be read");
  }

  /** All entries from `from` to `to`. */
  async readAll(from: LogIndex, to: LogIndex): Promise<ReturnType<typeof entriesOf>> {
    const found: ReturnType<typeof entriesOf> = [];
    for (let at = from; at <= to; at = found.at(-1)!.index + 1) {
      found.push(...entriesOf(await this.read(at, to, 700)));
    }
    return found;
  }
}

async function openReader(subject: LogStoreSubject): Promise<LogReader> {
  return new LogReader(await subject.open(FOUNDERS));
}

function check(condition: boolean, promise: string): void {
  if (!condition) throw new AssertionFailure(promise);
}
