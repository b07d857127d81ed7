import { type Trace, type TraceLevel } from "@kvs/env";
import { createStderrTrace } from "@kvs/node";
import { pino } from "pino";

/** Fields of an event that have a place of their own in a log line. */
const OWN_PLACES = new Set(["transaction_id", "duration_ms"]);

export interface LogOptions {
  readonly level: TraceLevel;
  readonly format: "json" | "text";
  readonly nodeId: string;
}

/**
 * Writes events as log lines: text to standard error for people, or JSON to standard output, a line
 * each:
 *
 *   {"timestamp":"…","level":"INFO","component":"…","node_id":"…","message":"…","context":{…}}
 *
 * with `transaction_id` and `duration_ms` where they are known.
 */
export function createLog(options: LogOptions): Trace {
  if (options.format === "text") return createStderrTrace(options.level);
  const logger = pino({
    level: options.level,
    base: null,
    messageKey: "message",
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label.toUpperCase() }) },
  });
  return {
    isEnabled: (level) => logger.isLevelEnabled(level),
    event(level, component, message, fields = {}) {
      const line: Record<string, unknown> = { component, node_id: options.nodeId };
      const context: Record<string, unknown> = {};
      for (const [name, value] of Object.entries(fields)) {
        if (OWN_PLACES.has(name)) line[name] = value;
        else context[name] = value;
      }
      if (Object.keys(context).length > 0) line["context"] = context;
      logger[level](line, message);
    },
  };
}
