import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";
import { type TaskRequest, type TaskResponse } from "./engine-message.ts";

// The program of an engine's process: does what it is told, one task after the other, until the
// channel closes. Compiled code is kept between starts, as the server's is: without that, the
// compiler of TypeScript alone would hold more memory than the engine does beside its cache.
enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/compile"));
const { EngineTasks } = await import("./engine-tasks.ts");
flushCompileCache(); // its end will be a kill
const tasks = new EngineTasks(process.argv[2]!);

process.on("message", (request: TaskRequest) => {
  void answer(request).then((response) => process.send!(response));
});

async function answer({ task, parameters }: TaskRequest): Promise<TaskResponse> {
  try {
    const run = tasks[task] as (given: unknown) => Promise<unknown>;
    return { type: "done", result: await run.call(tasks, parameters) };
  } catch (error) {
    return { type: "failed", error: error instanceof Error ? error.stack! : String(error) };
  }
}
