import { type StoreOptions } from "@kvs/txn";
import { type CrashSubject } from "./crash-explorer.ts";
import { Script, type ScriptStep, deletes, range } from "./script.ts";

const OTHER = "other";

/** Four frames, a tenth of the pages that the script fills; segments that a few batches fill. */
const STORE: StoreOptions = {
  path: "store",
  memoryBytes: 4 * 4096,
  segmentBytes: 8192,
  startPosition: 2 ** 32 - 30_000,
  startTimestamp: 2 ** 47 - 20,
};

/**
 * Fifty operations that reach every part of the engine: values at every boundary, batches of
 * hundreds that do not fit into memory, splits, merges, a second tree, vacuum, undo.
 */
export const LONG_SCRIPT: CrashSubject = {
  store: STORE,
  run: async (environment, model, hooks, more) => {
    const script = new Script({ environment, store: { ...STORE, ...more }, model, hooks });
    await script.run([...ROWS, ...LONG_VALUES, ...TREES, ...DELETES, ...CROWDS]);
    return script;
  },
};

const ROWS: readonly ScriptStep[] = [
  (script) => script.put(0, 10),
  (script) => script.put(1, 0),
  (script) => script.put(2, 981),
  (script) => script.put(0, 600),
  (script) => script.put(3, 982),
  (script) => script.batch(range(0, 20, 300)),
  (script) => script.put(4, 983),
  (script) => script.hold(),
  (script) => script.batch(range(5, 12, 400)),
  (script) => script.checkpoint(),
  (script) => script.put(0, 700),
  (script) => script.delete(1),
];

const LONG_VALUES: readonly ScriptStep[] = [
  (script) => script.put(30, 4032),
  (script) => script.put(31, 4033),
  (script) => script.put(32, 20_000),
  (script) => script.put(30, 8064),
  (script) => script.batch([...range(33, 36, 8065), ...range(0, 3, 20)]),
  (script) => script.put(32, 100),
  (script) => script.release(),
  (script) => script.rest(),
  (script) => script.put(49, 983),
];

const TREES: readonly ScriptStep[] = [
  (script) => script.openTree(OTHER),
  (script) => script.batch(range(0, 30, 60, OTHER)),
  (script) => script.hold(),
  (script) => script.batch([...range(10, 20, 5000, OTHER), ...range(10, 20, 5)]),
  (script) => script.reopen(),
  (script) => script.batch(range(0, 40, 90, OTHER)),
  (script) => script.put(7, 2000),
  (script) => script.checkpoint(),
];

const DELETES: readonly ScriptStep[] = [
  (script) => script.batch(deletes(5, 15)),
  (script) => script.batch(deletes(0, 40, OTHER)),
  (script) => script.rest(),
  (script) => script.batch([...deletes(30, 36), ...range(40, 44, 1500)]),
  (script) => script.rest(),
  (script) => script.hold(),
  (script) => script.batch(range(0, 60, 250)),
  (script) => script.batch(range(0, 60, 251)),
  (script) => script.batch(deletes(0, 60)),
  (script) => script.put(20, 30),
  (script) => script.release(),
  (script) => script.rest(),
];

/** Many at once: groups in the log, a checkpoint under way. */
const CROWDS: readonly ScriptStep[] = [
  (script) => script.together(range(0, 8, 100)),
  (script) => Promise.all([script.checkpoint(), script.together(range(4, 16, 900))]),
  (script) => script.batch(range(0, 150, 35)),
  (script) => Promise.all([script.together(range(20, 26, 4500)), script.rest()]),
  (script) => Promise.all([script.batch(deletes(0, 100)), script.checkpoint()]),
  (script) => script.rest(),
  (script) => script.reopen(),
  (script) => script.together([...range(0, 6, 50), ...deletes(110, 114)]),
  (script) => script.put(150, 12_000),
];
