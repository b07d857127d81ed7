/**
 * Installs the workspace with the pinned pnpm unless nothing changed; then a script can `exec` the
 * pinned Node.js, so that signals to npm reach the program itself.
 */
import { fileURLToPath } from "node:url";
import { installToolchain } from "./install.mjs";

try {
  await installToolchain(fileURLToPath(new URL("../..", import.meta.url)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
