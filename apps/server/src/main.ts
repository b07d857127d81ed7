#!/usr/bin/env -S node --max-semi-space-size=16
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// What was compiled is kept beside the program, not in a folder that others can write to: a start
// from sources takes 0.5 s instead of 1.3 s.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compile", import.meta.url)));
const { main } = await import("./serve.ts");
await main();
