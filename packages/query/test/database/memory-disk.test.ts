import { MemoryDisk } from "@kvs/env";
import { diskConformance } from "@kvs/sim";
import { test } from "vitest";

/** Here, because tests of `@kvs/env` may not use the simulator, and `:memory:` stands on this disk. */
test.each(diskConformance())("the disk in memory: $name", async ({ run }) => {
  const disk = new MemoryDisk();
  await disk.makeDirectory("folder");
  await run(disk, "folder", disk);
});
