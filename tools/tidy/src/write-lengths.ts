/** `pnpm lengths`: lowers the ratchet of file lengths to what the files have shrunk to. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RATCHET_FILE, shrinkRatchet } from "./check-lengths.ts";
import { readSourceTree } from "./source-tree.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const ratchet = shrinkRatchet(await readSourceTree(root));
const text = `${JSON.stringify(Object.fromEntries(ratchet), undefined, 2)}\n`;
await writeFile(join(root, RATCHET_FILE), text);
