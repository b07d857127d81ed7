import { type TaskRequest, type TaskResponse } from "./engine-message.ts";
import { EngineTasks } from "./engine-tasks.ts";

// The program of an engine's process: does what it is told, one task after the other, until the
// channel closes.
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
