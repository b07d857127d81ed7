import { type EngineTasks } from "./engine-tasks.ts";

export type TaskName = keyof EngineTasks;
/** What a task is told. */
export type TaskParameters<Name extends TaskName> = Parameters<EngineTasks[Name]>[0];
/** What it answers. */
export type TaskResult<Name extends TaskName> = Awaited<ReturnType<EngineTasks[Name]>>;

/** Something to do, sent to an engine's process. One at a time. */
export interface TaskRequest {
  readonly task: TaskName;
  readonly parameters: unknown;
}

/** Its answer. */
export type TaskResponse =
  | { readonly type: "done"; readonly result: unknown }
  | { readonly type: "failed"; readonly error: string };
