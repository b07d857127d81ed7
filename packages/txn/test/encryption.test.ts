import { type Cipher, type Ciphers, type Environment, createRandom } from "@kvs/env";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { Store, type StoreOptions, listKeys, restoreCopy } from "../src/index.ts";
import { copyOf, inPieces, restoreInto } from "./copy-fixture.ts";
import {
  SMALL,
  bytes,
  codeIs,
  contentOf,
  expectSound,
  newStorage,
  text,
  withStore,
} from "./fixture.ts";
import { CANARY, SEALED, sing } from "./sealed-fixture.ts";
import { testProvider } from "./test-keys.ts";

function read(store: Store): Promise<Record<string, string>> {
  return contentOf(store);
}

function expectSilence(storage: SimStorage): void {
  for (const path of storage.files()) {
    const content = text(storage.readFile(path));
    expect([path, content.indexOf(CANARY)]).toEqual([path, -1]);
    expect([path, content.indexOf(CANARY.slice(0, 8))]).toEqual([path, -1]);
  }
}

// REL-S13
test("no key and no value is readable on the disk, whatever a power cut leaves, nor in a copy", async () => {
  const storage = newStorage();
  let calls = 0;
  const onCall = (): undefined => {
    if (calls++ % 40 !== 0) return;
    for (const mode of ["keep-all", "torn", "garbage-after-end"] as const) {
      expectSilence(storage.sampleCrashImage(createRandom(calls), mode));
    }
  };
  const options = {
    store: { ...SEALED, compression: { values: true, log: true } },
    world: { disk: { onCall } },
  };
  await withStore(
    storage,
    async (store) => {
      await sing(store);
      await store.checkpoint();
      expect(text(await copyOf(store.hotCopy()))).not.toContain(CANARY);
      await store.rotateKeys();
      await store.openTree(`tree of ${CANARY}`);
      await sing(store, 12);
      expect(text((await store.get(bytes(`${CANARY} 3`)))!)).toContain(CANARY);
    },
    options,
  );
  expect(calls).toBeGreaterThan(200);
  expectSilence(storage);
  const crashed = storage.worstCase();
  await withStore(crashed, expectSound, options);
  expectSilence(crashed);
});

test("without encryption the canary is heard: the test above can fail", async () => {
  const storage = newStorage();
  await withStore(storage, (store) => sing(store, 4));
  expect(() => expectSilence(storage)).toThrow("deeply equal");
});

/** Every file, as text. */
function filesOf(storage: SimStorage): Record<string, string> {
  return Object.fromEntries(storage.files().map((path) => [path, text(storage.readFile(path))]));
}

// REL-S13
test("without the key, or with a wrong one, a store is refused before anything is changed", async () => {
  const storage = newStorage();
  await withStore(storage, (store) => sing(store), { store: SEALED });
  const crashed = storage.worstCase();
  const before = filesOf(crashed);
  const attempts: readonly [Partial<StoreOptions>, string][] = [
    [{}, "TXN_KEYS_REQUIRED"],
    [{ encryption: { provider: testProvider({ first: 2 }) } }, "KEY_REFUSED"],
    [{ encryption: { provider: testProvider({ other: 1 }) } }, "KEY_UNKNOWN_MASTER"],
  ];
  for (const [store, code] of attempts) {
    await expect(withStore(crashed, read, { store })).rejects.toThrow(codeIs(code));
    expect(filesOf(crashed)).toEqual(before);
  }
  await withStore(crashed, expectSound, { store: SEALED });
});

test("a plain store is sealed from the moment it has keys, and all of it by a rotation", async () => {
  const storage = newStorage();
  const content = await withStore(storage, async (store) => {
    await sing(store);
    return contentOf(store);
  });
  await withStore(
    storage,
    async (store) => {
      expect(await contentOf(store)).toEqual(content);
      const rotated = await store.rotateKeys();
      expect([rotated.keyId, rotated.kept]).toEqual([2, []]);
      expect(rotated.rewrittenPages).toBeGreaterThan(10);
      expect(await contentOf(store)).toEqual(content);
    },
    { store: SEALED },
  );
  await withStore(
    storage.worstCase(),
    async (store) => {
      expect(await contentOf(store)).toEqual(content);
      expect(store.keys().map(({ id, state }) => `${id} ${state}`)).toEqual([
        "1 destroyed",
        "2 current",
      ]);
    },
    { store: SEALED },
  );
});

test("once all is sealed, a plain file that somebody puts in place of the sealed one is refused", async () => {
  const [plain, sealed] = [newStorage(), newStorage()];
  await withStore(plain, async (store) => {
    await sing(store);
    await store.close();
  });
  await withStore(
    sealed,
    async (store) => {
      await sing(store);
      await store.close();
    },
    { store: SEALED },
  );
  sealed.writeFile("store/pages.kvs", plain.readFile("store/pages.kvs"));

  await expect(withStore(sealed, read, { store: SEALED })).rejects.toThrow(
    codeIs("PAGER_NOT_AUTHENTIC"),
  );
});

test("a store that is plain has no keys to change", async () => {
  await withStore(newStorage(), async (store, environment) => {
    expect(store.keys()).toEqual([]);
    await expect(store.rotateKeys()).rejects.toThrow(codeIs("TXN_NOT_ENCRYPTED"));
    await expect(store.rewrapKeys()).rejects.toThrow(codeIs("TXN_NOT_ENCRYPTED"));
    expect(await listKeys(environment, "store")).toBeUndefined();
  });
});

test("a master key is replaced without touching the data", async () => {
  const storage = newStorage();
  await withStore(storage, (store) => sing(store, 5), { store: SEALED });
  const both = { encryption: { provider: testProvider({ first: 1, second: 2 }) } };
  await withStore(
    storage,
    async (store) => {
      expect(await store.rewrapKeys()).toBe(1);
      expect(store.keys()[0]!.masterKeyName).toBe("second");
    },
    { store: both },
  );
  const second = { encryption: { provider: testProvider({ second: 2 }) } };
  await withStore(storage.worstCase(), expectSound, { store: second });
});

/** Notes every nonce that a key seals with, and complains about the second use. */
class NonceLedger {
  readonly repeated: string[] = [];
  count = 0;
  readonly #used = new Set<string>();

  watch(ciphers: Ciphers): Ciphers {
    return {
      aes256Gcm: (key) => {
        const name = key.join(" ");
        const cipher: Cipher = ciphers.aes256Gcm(key);
        return {
          open: (message, sealed, plain) => cipher.open(message, sealed, plain),
          seal: (message, plain, sealed) => {
            const use = `${name}: ${message.nonce.join(" ")}`;
            if (this.#used.has(use)) this.repeated.push(use);
            this.#used.add(use);
            this.count++;
            cipher.seal(message, plain, sealed);
          },
        };
      },
    };
  }
}

/** Two stores that go on from one copy, and the one it was taken of. */
async function noncesOfThree(mutants: readonly string[]): Promise<NonceLedger> {
  const ledger = new NonceLedger();
  const run = async <T>(
    storage: SimStorage,
    seed: number,
    body: (store: Store) => Promise<T>,
  ): Promise<T> => {
    const world = new InstantWorld(storage, { random: createRandom(seed), mutants });
    const ciphers = ledger.watch(world.environment.ciphers);
    const environment: Environment = Object.create(world.environment, {
      ciphers: { value: ciphers },
    });
    try {
      return await world.run(async () => {
        const store = await Store.open(environment, { ...SMALL, ...SEALED });
        return body(store);
      });
    } finally {
      storage.processDied(world.environment.disk);
    }
  };
  const original = newStorage();
  const copy = await run(original, 1, async (store) => {
    await sing(store, 10);
    return copyOf(store.hotCopy());
  });
  const [one, other] = [newStorage(2), newStorage(3)];
  await restoreInto(one, copy);
  await restoreInto(other, copy);
  const older = original.clone();
  for (const [at, storage] of [original, older, one, other].entries()) {
    for (let life = 0; life < 2; life++) {
      await run(storage, 10 + at * 2 + life, async (store) => {
        await sing(store, 10);
        await store.checkpoint();
      });
    }
  }
  return ledger;
}

// REL-S13
test("a store, its restored copies and its older states, all going on, share no nonce of a key", async () => {
  const ledger = await noncesOfThree([]);
  expect(ledger.count).toBeGreaterThan(300);
  expect(ledger.repeated).toEqual([]);
});

test("pager.reuse-nonce: a nonce that is used twice is noticed", async () => {
  const ledger = await noncesOfThree(["pager.reuse-nonce"]);
  expect(ledger.repeated.length).toBeGreaterThan(0);
});

test("a copy that was restored takes another key by rotation, and then shares none", async () => {
  const copy = await withStore(
    newStorage(),
    async (store) => {
      await sing(store, 10);
      return copyOf(store.hotCopy());
    },
    { store: SEALED },
  );
  const storage = newStorage(2);
  const world = new InstantWorld(storage, { random: createRandom(99) });
  await world.run(async (environment) => {
    await restoreCopy(environment, inPieces(copy), "store");
    const store = await Store.open(environment, { ...SMALL, ...SEALED });
    expect(await store.rotateKeys()).toMatchObject({ keyId: 2, destroyed: [1] });
    await expectSound(store);
  });
});
