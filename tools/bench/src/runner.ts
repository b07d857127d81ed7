import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PAIRS_FULL, PAIRS_QUICK, alternate } from "./alternation.ts";
import { type Row, type Skipped } from "./report.ts";
import { type Sample } from "./sample.ts";
import { median, medianOfPresent, ratioOf, spreadOf } from "./statistics.ts";
import { type Contender, type Measure, type Peer, createContext } from "./suite.ts";

/** Where the files of a run are: beside the sources, on a real disk, where /tmp may be memory. */
const FILES_FOLDER = join(import.meta.dirname, "../node_modules/.cache");

/** What to run, and how thoroughly. */
export interface RunOptions {
  readonly isQuick: boolean;
  /** Whether this row is wanted; `id` is complete, with the peer if there is one. */
  readonly wantsRow: (id: string) => boolean;
  /** Whether this peer is wanted at all. */
  readonly wantsPeer: (name: string) => boolean;
  /** Hears what is about to run. */
  readonly progress: (line: string) => void;
}

/** Rows in the order of the measures, and what could not be measured. */
export interface RunResult {
  readonly rows: readonly Row[];
  readonly skipped: readonly Skipped[];
}

/** Runs the wanted rows of `measures`, one after the other. */
export async function runMeasures(
  measures: readonly Measure[],
  options: RunOptions,
): Promise<RunResult> {
  const rows: Row[] = [];
  const skipped: Skipped[] = [];
  mkdirSync(FILES_FOLDER, { recursive: true });
  const folder = mkdtempSync(join(FILES_FOLDER, "kvs-bench-"));
  try {
    for (const measure of measures) {
      const run = new MeasureRun(measure, options, folder);
      const result = await run.run();
      rows.push(...result.rows);
      skipped.push(...result.skipped);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { rows, skipped };
}

/** One measure with its peers: prepares, warms up, alternates, cleans up. */
class MeasureRun {
  readonly #measure: Measure;
  readonly #options: RunOptions;
  readonly #folder: string;
  readonly #rows: Row[] = [];
  readonly #skipped: Skipped[] = [];

  constructor(measure: Measure, options: RunOptions, folder: string) {
    this.#measure = measure;
    this.#options = options;
    this.#folder = folder;
  }

  async run(): Promise<RunResult> {
    const measure = this.#measure;
    const peers = (measure.peers ?? []).filter(
      (peer) => this.#options.wantsPeer(peer.name) && this.#options.wantsRow(rowId(measure, peer)),
    );
    const wantsOwnRow = measure.isOnlyBesidePeers !== true && this.#options.wantsRow(measure.id);
    if (wantsOwnRow || peers.length > 0) {
      await this.#whilePrepared(measure, measure.id, async (note) => {
        if (wantsOwnRow) await this.#measureAlone(note);
        for (const peer of peers) {
          const id = rowId(measure, peer);
          await this.#whilePrepared(peer, id, (theirs) => this.#compareWith(peer, theirs ?? note));
        }
      });
    }
    return { rows: this.#rows, skipped: this.#skipped };
  }

  async #whilePrepared(
    contender: Contender,
    id: string,
    body: (note: string | undefined) => Promise<void>,
  ): Promise<void> {
    this.#options.progress(id);
    const prepared = await contender.prepare?.(this.#context(false));
    if (prepared?.type === "unavailable") {
      this.#skipped.push({ id, reason: prepared.reason });
      return;
    }
    try {
      await body(prepared?.note);
    } finally {
      await prepared?.dispose?.();
    }
  }

  async #measureAlone(note: string | undefined): Promise<void> {
    const { id, unit } = this.#measure;
    const samples: Sample[] = [];
    await this.#sample(this.#measure, true);
    for (let taken = 0; taken < this.#pairs; taken++) {
      samples.push(await this.#sample(this.#measure, false));
    }
    const values = samples.map(({ value }) => value);
    this.#rows.push({
      id,
      unit,
      value: median(values),
      spread: samples.length === 1 ? (samples[0]!.spread ?? spreadOf(values)) : spreadOf(values),
      ...costsOf(samples),
      ...(note === undefined ? {} : { note }),
    });
  }

  async #compareWith(peer: Peer, note: string | undefined): Promise<void> {
    const measure = this.#measure;
    const ours: Sample[] = [];
    const theirs: Sample[] = [];
    await this.#sample(measure, true);
    await this.#sample(peer, true);
    for (const { side } of alternate(this.#pairs)) {
      if (side === "ours") ours.push(await this.#sample(measure, false));
      else theirs.push(await this.#sample(peer, false));
    }
    const ratios = ours.map(({ value }, pair) =>
      ratioOf(value, theirs[pair]!.value, measure.better ?? "more"),
    );
    this.#rows.push({
      id: rowId(measure, peer),
      unit: measure.unit,
      value: median(ours.map(({ value }) => value)),
      peer: peer.name,
      peerValue: median(theirs.map(({ value }) => value)),
      ratio: median(ratios),
      spread: spreadOf(ratios),
      ...costsOf(ours),
      ...(note === undefined ? {} : { note }),
    });
  }

  get #pairs(): number {
    return this.#options.isQuick ? PAIRS_QUICK : (this.#measure.samples ?? PAIRS_FULL);
  }

  async #sample(contender: Contender, isWarmUp: boolean): Promise<Sample> {
    globalThis.gc?.(); // nobody pays for the garbage of the one before
    return contender.run(this.#context(isWarmUp));
  }

  #context(isWarmUp: boolean): ReturnType<typeof createContext> {
    return createContext({ isQuick: this.#options.isQuick, isWarmUp, folder: this.#folder });
  }
}

/** The id of a row: the measure's alone, or against a peer. */
function rowId(measure: Measure, peer?: Peer): string {
  return peer === undefined ? measure.id : `${measure.id}@${peer.name}`;
}

/** Every row a suite can give, in order. */
export function rowIdsOf(measures: readonly Measure[]): string[] {
  return measures.flatMap((measure) => [
    ...(measure.isOnlyBesidePeers === true ? [] : [measure.id]),
    ...(measure.peers ?? []).map((peer) => rowId(measure, peer)),
  ]);
}

function costsOf(samples: readonly Sample[]): Pick<Row, "cpuMicrosPerOp" | "p50" | "p99"> {
  const cpuMicrosPerOp = medianOfPresent(samples.map((sample) => sample.cpuMicrosPerOp));
  const p50 = medianOfPresent(samples.map((sample) => sample.p50));
  const p99 = medianOfPresent(samples.map((sample) => sample.p99));
  return {
    ...(cpuMicrosPerOp === undefined ? {} : { cpuMicrosPerOp }),
    ...(p50 === undefined ? {} : { p50 }),
    ...(p99 === undefined ? {} : { p99 }),
  };
}
