/** `pnpm errors`: writes docs/errors.md from the doc comments of the sources. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERRORS_FILE, renderErrors } from "./error-codes.ts";
import { readSourceTree } from "./source-tree.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
await writeFile(join(root, ERRORS_FILE), renderErrors(await readSourceTree(root)));
