import { type Store } from "../src/index.ts";
import { del, put } from "./fixture.ts";
import { testProvider } from "./test-keys.ts";

/** Options of a store that is encrypted. */
export const SEALED = { encryption: { provider: testProvider() } };
/** What must not be heard. */
export const CANARY = "yellow-bird";

/** Rows with the canary in keys and values of every kind. */
export async function sing(store: Store, rounds = 30): Promise<void> {
  for (let at = 0; at < rounds; at++) {
    const length = at % 6 === 0 ? 9000 : 20 + at * 9;
    const key = at % 5 === 0 ? CANARY.repeat(80) : CANARY;
    await store.batch([put(`${key} ${at % 20}`, CANARY.padEnd(length, CANARY))]);
  }
  await store.batch([del(`${CANARY} 1`), del(`${CANARY} 2`)]);
}
