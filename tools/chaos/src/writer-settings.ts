import { unreachable } from "@kvs/env";
import { type StoreSettings } from "./store-settings.ts";
import { type Expected } from "./verify.ts";

/** What a writer's process is told, as JSON in its first argument. */
export interface WriterSettings {
  readonly store: StoreSettings;
  readonly mutants: readonly string[];
  /** What the store must hold when it is opened; its length is the number of callers. */
  readonly expected: Expected;
  /** Milliseconds between two checkpoints that are asked for; 0: none is. */
  readonly checkpointEveryMs: number;
}

/** What a writer is doing, in the order of its life; the last two alternate. */
export type Phase = "starting" | "opening" | "verifying" | "writing" | "checkpoint";

/**
 * The lines that a writer prints, each in one write to a pipe: the parent reads them all, even if
 * the writer is killed right afterwards.
 *
 *   phase PHASE       from now on
 *   ack CALLER N      batch N of the caller was answered, or was found by a new process
 *   violation TEXT    a promise is broken
 *   refused CODE      a batch was refused for now, without effect, and will be called for again
 */
export type WriterLine =
  | { readonly type: "phase"; readonly phase: Phase }
  | { readonly type: "ack"; readonly caller: number; readonly number: number }
  | { readonly type: "violation"; readonly text: string }
  | { readonly type: "refused"; readonly code: string };

/** Turns a line into text. */
export function formatLine(line: WriterLine): string {
  switch (line.type) {
    case "phase":
      return `phase ${line.phase}\n`;
    case "ack":
      return `ack ${line.caller} ${line.number}\n`;
    case "violation":
      return `violation ${line.text.replaceAll("\n", " ")}\n`;
    case "refused":
      return `refused ${line.code}\n`;
    default:
      return unreachable(line);
  }
}

/** Reads a line, without its end. */
export function parseLine(text: string): WriterLine {
  const space = text.indexOf(" ");
  const [type, rest] = [text.slice(0, space), text.slice(space + 1)];
  switch (type) {
    case "phase":
      return { type, phase: rest as Phase };
    case "ack": {
      const [caller, number] = rest.split(" ").map(Number);
      return { type, caller: caller!, number: number! };
    }
    case "violation":
      return { type, text: rest };
    case "refused":
      return { type, code: rest };
    default:
      throw new Error(`a writer printed what it should not: ${text}`);
  }
}
