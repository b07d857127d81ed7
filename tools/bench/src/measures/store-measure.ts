import { type Sample } from "../sample.ts";
import { openClassicLevel } from "../stores/classic-level-store.ts";
import { type EmbeddedStore, type OpenStore } from "../stores/embedded-store.ts";
import { openKvs } from "../stores/kvs-store.ts";
import { openLmdb } from "../stores/lmdb-store.ts";
import { openLoaded, settle } from "../stores/loaded-store.ts";
import { randomKeys, randomValues } from "../stores/sample-pairs.ts";
import { openSqlite } from "../stores/sqlite-store.ts";
import { type Contender, type Measure, type RunContext } from "../suite.ts";

/** Who can be measured beside us. */
export const PEERS: Readonly<Record<string, OpenStore>> = {
  lmdb: openLmdb,
  "classic-level": openClassicLevel,
  sqlite: openSqlite,
};

/** The pairs that a store is full of. */
export interface Pairs {
  readonly full: number;
  readonly quick: number;
  readonly valueBytes: number;
}

/** A million short ones. */
export const SHORT_PAIRS: Pairs = { full: 1_000_000, quick: 100_000, valueBytes: 100 };

/** Keys of random reads and writes in one cycle: many times what a processor's caches hold. */
const RANDOM_KEYS = 1 << 18;
const RANDOM_KEYS_QUICK = 1 << 14;

/** Which store it is. */
export interface SubjectPlace {
  readonly name: string;
  readonly open: OpenStore;
  readonly pairs: Pairs;
  /** Whether every page is written to before the first sample. */
  readonly settles: boolean;
}

/** A store that is full, and what to ask of it: random keys, in an order that goes on and on. */
export class Subject {
  readonly values: readonly Uint8Array[];
  readonly #open: () => Promise<EmbeddedStore>;
  readonly #keys: readonly Uint8Array[];
  #store: EmbeddedStore;
  #next = 0;

  /** Opens the store of this name in the run's folder, and fills it if no row before did. */
  static async open(place: SubjectPlace, { folder, isQuick }: RunContext): Promise<Subject> {
    const { name, open, pairs, settles } = place;
    const { full, quick, valueBytes } = pairs;
    const count = isQuick ? quick : full;
    const values = randomValues(valueBytes);
    const openAgain = (): Promise<EmbeddedStore> =>
      openLoaded(open, folder, { name: `${name}-${valueBytes}`, count, values });
    const store = await openAgain();
    if (settles) await settle(store, count, values);
    const keys = randomKeys(1, isQuick ? RANDOM_KEYS_QUICK : RANDOM_KEYS, count);
    return new Subject(store, keys, values, openAgain);
  }

  private constructor(
    store: EmbeddedStore,
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    open: () => Promise<EmbeddedStore>,
  ) {
    this.#store = store;
    this.#keys = keys;
    this.values = values;
    this.#open = open;
  }

  get store(): EmbeddedStore {
    return this.#store;
  }

  /** Closes the store, does something, and opens it again. */
  async reopen(whileClosed: () => void): Promise<void> {
    await this.#store.close();
    whileClosed();
    this.#store = await this.#open();
  }

  /** Writes one key, with the value whose turn it is. */
  putNext(): Promise<unknown> {
    const at = this.#next++;
    const key = this.#keys[at % this.#keys.length]!;
    return this.#store.put(key, this.values[at % this.values.length]!);
  }

  /** @param count At most as many as there are keys. */
  nextKeys(count: number): readonly Uint8Array[] {
    if (this.#next + count > this.#keys.length) this.#next = 0;
    const from = this.#next;
    this.#next += count;
    return this.#keys.slice(from, from + count);
  }
}

export interface StoreMeasure extends Pick<Measure, "id" | "unit" | "samples"> {
  readonly peers: readonly string[];
  /** Default: a million short ones. */
  readonly pairs?: Pairs;
  /** How ours is opened, if not as usual. */
  readonly openOurs?: OpenStore;
  /** Whether every page is written to before the first sample. */
  readonly settles?: boolean;
  /** What to do when the store is full, before the first sample; what it returns stands at the row. */
  readonly beforeSamples?: () => string;
}

type TakeSample = (subject: Subject, context: RunContext) => Promise<Sample>;

/**
 * A measure whose contenders each have a store of the same pairs.
 *
 * @param samplePeer How a peer's sample is taken, if not as ours.
 */
export function onStores(
  shape: StoreMeasure,
  sample: TakeSample,
  samplePeer: TakeSample = sample,
): Measure {
  const { id, unit, samples, peers, openOurs = openKvs } = shape;
  return {
    id,
    unit,
    ...(samples === undefined ? {} : { samples }),
    ...contender(shape, "kvs", openOurs, sample),
    peers: peers.map((name) => ({ name, ...contender(shape, name, PEERS[name]!, samplePeer) })),
  };
}

function contender(
  { pairs = SHORT_PAIRS, settles = false, beforeSamples }: StoreMeasure,
  name: string,
  open: OpenStore,
  sample: TakeSample,
): Contender {
  let subject: Subject;
  return {
    prepare: async (context) => {
      subject = await Subject.open({ name, open, pairs, settles }, context);
      const note = beforeSamples?.();
      return {
        type: "ready",
        dispose: async () => void (await subject.store.close()),
        ...(note === undefined ? {} : { note }),
      };
    },
    run: (context) => sample(subject, context),
  };
}
