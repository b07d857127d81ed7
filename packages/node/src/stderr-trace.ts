import { type Trace, type TraceFields, type TraceLevel } from "@kvs/env";

/** The place of each level; a trace shows its own and all before it. */
const ORDER: Readonly<Record<TraceLevel, number>> = {
  error: 0,
  warn: 1,
  info: 2,
  debug: 3,
  trace: 4,
};

/**
 * Writes events as lines to standard error, for programs without a logger:
 *
 *     2026-11-23T05:13:00.000Z WARN  wal.segment  the segment is full  path=000.wal sizeBytes=64
 *
 * A value with anything but letters, digits and plain punctuation is quoted as in JSON, so a line
 * stays one line.
 *
 * @param level The quietest level that is shown.
 */
export function createStderrTrace(level: TraceLevel): Trace {
  return {
    isEnabled: (asked) => ORDER[asked] <= ORDER[level],
    event(of, component, message, fields = {}): void {
      if (ORDER[of] > ORDER[level]) return;
      const time = new Date().toISOString();
      const label = of.toUpperCase().padEnd(5);
      process.stderr.write(`${time} ${label} ${component}  ${message}${fieldText(fields)}\n`);
    },
  };
}

function fieldText(fields: TraceFields): string {
  let text = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += `${text === "" ? "  " : " "}${name}=${valueText(value)}`;
  }
  return text;
}

function valueText(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
}
