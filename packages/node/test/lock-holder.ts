/**
 * A process that takes the lock named by its argument, or those named by the lines of its input,
 * says of each how that went, and waits to be ended.
 */
import { createInterface } from "node:readline";
import { noTrace } from "@kvs/env";
import { NodeDisk } from "../src/node-disk.ts";

const path = process.argv[2];
const disk = new NodeDisk("/", noTrace);

async function attempt(name: string): Promise<string> {
  try {
    await disk.lock(name);
    return "locked";
  } catch (error) {
    return error instanceof Error ? error.message : "refused";
  }
}

console.log(path === undefined ? "ready" : await attempt(path));
for await (const line of createInterface(process.stdin)) console.log(await attempt(line));
