import { enableCompileCache, flushCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// A writer seldom comes to its end, so what was compiled is kept at once.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compile", import.meta.url)));
const { write } = await import("./writer.ts");
flushCompileCache();
await write(JSON.parse(process.argv[2]!));
