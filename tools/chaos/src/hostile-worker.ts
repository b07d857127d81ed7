import { parentPort, workerData } from "node:worker_threads";
import { HostileStores } from "./hostile-store.ts";

// Runs seeds until it is stopped: whoever waits for its messages notices if one never ends.
const { first } = workerData as { readonly first: number };
const stores = await HostileStores.create();
for (let seed = first; ; seed++) {
  const { outcomes, violations } = await stores.try(seed);
  parentPort!.postMessage({ seed, outcomes, violations }, []);
}
