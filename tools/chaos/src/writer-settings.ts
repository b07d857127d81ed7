import { unreachable } from "@kvs/env";
import { type StoreSettings } from "./store-settings.ts";
import { type Expected } from "./verify.ts";

/** What a writer's process is told, as JSON in its first argument. */
export interface WriterSettings {
  readonly store: StoreSettings;
  readonly mutants: readonly string[];
  /** What the store must hold when it is opened; its length is the number of callers. */
  readonly expected: Expected;
  /** What is done beside the writes, in turn, with this pause before each. */
  readonly chores: readonly Chore[];
  readonly pauseMs: number;
}

/**
 * Work beside the writes: a checkpoint; a hot copy, which is restored and verified; a change of the
 * keys of an encrypted store.
 */
export type Chore = "checkpoint" | "copy" | "rotation";

/** What a writer is doing, in the order of its life; writing and chores alternate. */
export type Phase = "starting" | "opening" | "verifying" | "writing" | Chore;

/**
 * The lines that a writer prints, each in one write to a pipe: the parent reads them all, even if
 * the writer is killed right afterwards.
 *
 *   phase PHASE       from now on
 *   ack CALLER N      batch N of the caller was answered, or was found by a new process
 *   violation TEXT    a promise is broken
 *   refused CODE      a batch or chore was refused for now, without effect
 *   done CHORE        a chore came to its end, and what it made is as it must be
 *   failed CODE       an error that repeating does not help against ends the process
 */
export type WriterLine =
  | { readonly type: "phase"; readonly phase: Phase }
  | { readonly type: "ack"; readonly caller: number; readonly number: number }
  | { readonly type: "violation"; readonly text: string }
  | { readonly type: "refused"; readonly code: string }
  | { readonly type: "done"; readonly chore: Chore }
  | { readonly type: "failed"; readonly code: string };

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
    case "done":
      return `done ${line.chore}\n`;
    case "failed":
      return `failed ${line.code}\n`;
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
    case "done":
      return { type, chore: rest as Chore };
    case "failed":
      return { type, code: rest };
    default:
      throw new Error(`a writer printed what it should not: ${text}`);
  }
}
