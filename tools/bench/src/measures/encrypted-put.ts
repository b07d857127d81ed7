import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@kvs/env";
import { fileKeyProvider } from "@kvs/node";
import { runCallers } from "../load.ts";
import { type Sample } from "../sample.ts";
import { CACHE_BYTES, type OpenStore } from "../stores/embedded-store.ts";
import { openKvs, openKvsWith } from "../stores/kvs-store.ts";
import { type Measure, type RunContext } from "../suite.ts";
import { SHORT_PAIRS, Subject } from "./store-measure.ts";

const CALLERS = 64;
const PUTS = 60_000;
const MASTER_KEY_BYTES = 32;

/** Durable puts into a sealed store, as a fraction of those into a plain one. */
export function encryptedPut(): Measure {
  let plain: Subject | undefined;
  let sealed: Subject | undefined;
  let taken = 0;
  return {
    id: "embedded.encrypted-put.64",
    unit: "fraction",
    prepare: async (context) => {
      taken = 0;
      const place = { pairs: SHORT_PAIRS, settles: true };
      plain = await Subject.open({ ...place, name: "kvs", open: openKvs }, context);
      sealed = await Subject.open({ ...place, name: "kvs-sealed", open: openSealed }, context);
      return {
        type: "ready",
        dispose: async () => {
          await plain?.store.close();
          await sealed?.store.close();
        },
      };
    },
    run: async (context) => {
      assert(plain !== undefined && sealed !== undefined, "both stores are open");
      const isPlainFirst = taken++ % 2 === 0;
      const first = await putTo(isPlainFirst ? plain : sealed, context);
      globalThis.gc?.();
      const second = await putTo(isPlainFirst ? sealed : plain, context);
      const [ours, other] = isPlainFirst ? [second, first] : [first, second];
      return { ...ours, value: ours.value / other.value };
    },
  };
}

function putTo(subject: Subject, context: RunContext): Promise<Sample> {
  return runCallers(CALLERS, context.operations(PUTS), () => subject.putNext());
}

/** Ours, with everything sealed; the master key is in a file beside it. */
const openSealed: OpenStore = (folder) => {
  const path = join(folder, "master-key");
  const key = randomBytes(MASTER_KEY_BYTES).toString("base64");
  writeFileSync(path, `bench ${key}\n`, { mode: 0o600, flag: "wx" });
  return openKvsWith(folder, {
    memoryBytes: CACHE_BYTES,
    encryption: { provider: fileKeyProvider(path) },
  });
};
