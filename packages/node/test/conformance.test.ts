import { noTrace } from "@kvs/env";
import { diskConformance } from "@kvs/sim";
import { test } from "vitest";
import { NodeDisk } from "../src/node-disk.ts";
import { tempFolder } from "./temp-folder.ts";

test.each(diskConformance())("disk: $name", async ({ run }) => {
  const folder = await tempFolder();
  await run(new NodeDisk(folder, noTrace), folder, new NodeDisk(folder, noTrace));
});
