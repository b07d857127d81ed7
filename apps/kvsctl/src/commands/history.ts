import { readFile } from "node:fs/promises";
import { text as textOfStream } from "node:stream/consumers";
import {
  type HistoryEvent,
  type HistoryLevel,
  type LinearizabilityResult,
  type SerializabilityResult,
  checkRegisterHistory,
  checkSerializability,
  isForbidden,
  parseHistory,
  validateHistory,
} from "@kvs/sim";
import { type HistoryFlags } from "./history-levels.ts";
import { CommandFailure, type Session, callersPath } from "../session.ts";

/** What the judges say of a history. */
interface Verdict {
  readonly serializability: SerializabilityResult;
  /** Of histories of registers alone. */
  readonly linearizability: LinearizabilityResult<unknown> | undefined;
  readonly isKept: boolean;
}

/**
 * Judges a recorded history: JSON Lines as `@kvs/sim` writes and other tools read them. Fails if it
 * shows what the level forbids.
 */
export async function checkHistory(
  session: Session,
  file: string,
  { level }: HistoryFlags,
): Promise<void> {
  const events = parseHistory(await read(file));
  validateHistory(events);
  const verdict = judge(events, level);
  if (session.output.isJson) await session.output.value(summaryOf(verdict, level));
  else for (const line of linesOf(verdict, level)) await session.output.line(line);
  if (!verdict.isKept) process.exitCode = 1;
}

function judge(events: readonly HistoryEvent[], level: HistoryLevel): Verdict {
  const serializability = checkSerializability(events);
  const isOfRegisters = events.every(({ f }) => f !== "txn");
  const linearizability = isOfRegisters ? checkRegisterHistory(events) : undefined;
  const isForbidding = serializability.anomalies.some((anomaly) => isForbidden(anomaly, level));
  // Registers that are linearizable, each by itself, are so together: that is the strictest level.
  const isLinear = linearizability === undefined || linearizability.verdict === "linearizable";
  const isKept = !isForbidding && (isLinear || level !== "strict-serializable");
  return { serializability, linearizability, isKept };
}

function summaryOf(verdict: Verdict, asked: HistoryLevel): object {
  const { serializability, linearizability, isKept } = verdict;
  const { transactionCount, dependencyCount, anomalies } = serializability;
  return {
    asked,
    isKept,
    level: levelOf(verdict) ?? null,
    transactions: transactionCount,
    dependencies: dependencyCount,
    linearizability: linearizability?.verdict ?? null,
    anomalies: anomalies.map(({ type, order, transactions, text }) => ({
      type,
      order,
      isForbidden: isForbidden({ type, order }, asked),
      transactions: transactions.map(({ id }) => id),
      text,
    })),
  };
}

/** The strongest level that the judges found nothing against. */
function levelOf({ serializability, linearizability }: Verdict): HistoryLevel | undefined {
  const { level } = serializability;
  const isLinear = linearizability === undefined || linearizability.verdict === "linearizable";
  return level === "strict-serializable" && !isLinear ? "serializable" : level;
}

function linesOf(verdict: Verdict, asked: HistoryLevel): string[] {
  const { serializability, linearizability, isKept } = verdict;
  const { transactionCount, dependencyCount, anomalies } = serializability;
  const level = levelOf(verdict);
  const lines = [`${transactionCount} transactions, ${dependencyCount} dependencies`];
  for (const anomaly of anomalies) {
    const note = isForbidden(anomaly, asked) ? `forbidden by ${asked}` : `allowed by ${asked}`;
    lines.push(`${anomaly.type} (${note}):`, indent(anomaly.text));
  }
  if (linearizability?.violation !== undefined) lines.push(linearizability.violation.text);
  if (linearizability?.verdict === "unknown") {
    const keys = linearizability.unknownKeys.slice(0, 5).join(", ");
    lines.push(`the search for an order of these keys was cut short: ${keys}`);
  }
  lines.push(level === undefined ? "no level that is known" : `nothing speaks against ${level}`);
  lines.push(isKept ? `${asked}: kept` : `${asked}: violated, or not decided`);
  return lines;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}

async function read(file: string): Promise<string> {
  if (file === "-") return textOfStream(process.stdin);
  try {
    return await readFile(callersPath(file), "utf8");
  } catch (cause) {
    throw new CommandFailure(`${file} cannot be read`, { cause });
  }
}
