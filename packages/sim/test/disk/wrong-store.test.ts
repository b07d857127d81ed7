import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { type DiskVerdict, instantContext } from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";
import { filled, makeFile, makeToyDisk } from "./toy-disk.ts";

/** The first byte of each page of a file. */
function pagesOf(storage: SimStorage, path: string): string {
  const bytes = storage.readFile(path);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String(bytes[at]);
  return text;
}

/** What the disk holds after a sync of pages "2222" over "1111" with this verdict, over seeds. */
async function afterSync(
  verdict: DiskVerdict,
  call: "datasync" | "writeDurableAt",
): Promise<{ stored: Set<string>; cached: Set<string> }> {
  const stored = new Set<string>();
  const cached = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const storage = new SimStorage({ random: createRandom(1) });
    storage.writeFile("file", filled(4 * 4096, 1));
    const onCall = ({ operation }: { operation: string }): DiskVerdict | undefined =>
      operation === call ? verdict : undefined;
    const disk = storage.attach(instantContext(createRandom(seed), { onCall }));
    const file = await disk.open("file");
    if (call === "datasync") {
      await file.writeAt(filled(4 * 4096, 2), 0);
      await file.datasync();
    } else await file.writeDurableAt(filled(4 * 4096, 2), 0);
    stored.add(pagesOf(storage.worstCase(), "file"));
    cached.add(pagesOf(storage, "file"));
    expect(storage.pendingSectors()).toBe(0);
  }
  return { stored, cached };
}

for (const call of ["datasync", "writeDurableAt"] as const) {
  test(`${call} may lose one page silently, and readers may see it at once or later`, async () => {
    const { stored, cached } = await afterSync({ type: "lose", what: "page" }, call);

    expect([...stored].toSorted()).toEqual(["1222", "2122", "2212", "2221"]);
    expect([...cached].toSorted()).toEqual(["1222", "2122", "2212", "2221", "2222"]);
  });

  test(`${call} may lose everything silently`, async () => {
    const { stored, cached } = await afterSync({ type: "lose", what: "all" }, call);

    expect([...stored]).toEqual(["1111"]);
    expect([...cached]).toEqual(["2222"]);
  });
}

test("a misdirected page overwrites another one, of any file", async () => {
  const hits = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const storage = new SimStorage({ random: createRandom(1) });
    storage.writeFile("file", filled(3 * 4096, 1));
    storage.writeFile("other", filled(4096 + 5, 5));
    const onCall = ({ operation }: { operation: string }): DiskVerdict | undefined =>
      operation === "datasync" ? { type: "misdirect" } : undefined;
    const disk = storage.attach(instantContext(createRandom(seed), { onCall }));
    const file = await disk.open("file");
    await file.writeAt(filled(4096, 2), 0);
    await file.datasync();
    const image = storage.worstCase();
    hits.add(`${pagesOf(image, "file")} ${pagesOf(image, "other")}`);
    expect(image.readFile("other")).toHaveLength(4096 + 5);
  }

  expect([...hits].toSorted()).toEqual(["111 25", "111 52", "111 55", "112 55", "121 55"]);
});

test("a sync with nothing to lose is a good one", async () => {
  for (const verdict of [{ type: "lose", what: "page" }, { type: "misdirect" }] as const) {
    const { storage, disk, verdicts } = makeToyDisk();
    const file = await makeFile(disk, "file", filled(10, 1));
    await file.truncate(5);
    verdicts.set("datasync", verdict);
    await file.datasync();

    expect([...storage.worstCase().readFile("file")]).toEqual([1, 1, 1, 1, 1]);
    expect(storage.stats.faults.size).toBe(0);
  }
});

test("a later sync does not write again what the device claimed to have", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(2 * 4096, 1));
  await file.writeAt(filled(4096, 2), 0);
  verdicts.set("datasync", { type: "lose", what: "page" });
  await file.datasync();
  await file.writeAt(filled(4096, 3), 4096);
  await file.datasync();

  expect(pagesOf(storage.worstCase(), "file")).toBe("13");
});
