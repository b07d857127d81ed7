import { noTestHooks, noTrace } from "@kvs/env";
import { expect, test } from "vitest";
import { createNodeEnvironment } from "../src/node-environment.ts";
import { tempFolder } from "./temp-folder.ts";

test("an environment has everything, and what it was given", async () => {
  const root = await tempFolder();
  const trace = { ...noTrace };
  const hooks = { ...noTestHooks };
  const environment = createNodeEnvironment({ root, trace, hooks });

  await environment.disk.makeDirectory("made");
  expect(await environment.disk.stat(`${root}/made`)).toMatchObject({ type: "directory" });
  expect(environment.trace).toBe(trace);
  expect(environment.hooks).toBe(hooks);
  expect(environment.clock.monotonicMs()).toBeGreaterThanOrEqual(0);
  expect(environment.random.below(1)).toBe(0);
  const { zstd, fast } = environment.compressors;
  expect([zstd.name, fast.name]).toEqual(["zstd", "fast"]);
  expect(environment.ciphers.aes256Gcm(new Uint8Array(32))).toBeDefined();
});

test("by default it traces nothing, breaks nothing and starts at the current directory", async () => {
  const environment = createNodeEnvironment();
  expect(environment.trace).toBe(noTrace);
  expect(environment.hooks).toBe(noTestHooks);
  expect(await environment.disk.stat(process.cwd())).toEqual(await environment.disk.stat("."));
});
