import { type StoreOptions } from "@kvs/txn";
import { type CrashSubject } from "./crash-explorer.ts";
import { Script, type ScriptStep, deletes, range } from "./script.ts";

const STORE: StoreOptions = {
  path: "store",
  memoryBytes: 8 * 4096,
  segmentBytes: 4096,
  startPosition: 2 ** 31 - 6000,
};

/**
 * Fifty small operations, so that every subset of the last eight sectors can be tried at each disk
 * call: rows, batches, a long value, deletes, vacuum, a snapshot, checkpoints, a clean close.
 */
export const SHORT_SCRIPT: CrashSubject = {
  store: STORE,
  run: async (environment, model, hooks, more) => {
    const script = new Script({ environment, store: { ...STORE, ...more }, model, hooks });
    await script.run(STEPS);
    return script;
  },
};

const STEPS: readonly ScriptStep[] = [
  ...puts(0, 8, 20),
  (script) => script.batch([...range(0, 3, 30), ...deletes(4, 6)]),
  (script) => script.hold(),
  ...puts(0, 4, 31),
  (script) => script.checkpoint(),
  (script) => script.delete(2),
  ...puts(8, 14, 25),
  (script) => script.release(),
  (script) => script.put(3, 1300),
  (script) => script.rest(),
  (script) => script.together(range(2, 6, 40)),
  (script) => script.put(3, 12),
  (script) => script.rest(),
  (script) => script.reopen(),
  ...puts(3, 7, 45),
  (script) => script.batch([...range(10, 13, 28), ...deletes(0, 2)]),
  (script) => Promise.all([script.checkpoint(), script.put(9, 33)]),
  (script) => script.batch(deletes(6, 9)),
  (script) => script.rest(),
  (script) => script.openTree("other"),
  (script) => script.batch([...range(0, 2, 16, "other"), ...range(0, 1, 16)]),
  ...puts(20, 25, 22),
  (script) => script.batch([...deletes(0, 1, "other"), ...range(21, 23, 60)]),
  (script) => script.checkpoint(),
  ...puts(0, 4, 18),
];

function puts(from: number, to: number, bytes: number): ScriptStep[] {
  const steps: ScriptStep[] = [];
  for (let key = from; key < to; key++) steps.push((script) => script.put(key, bytes + key));
  return steps;
}
