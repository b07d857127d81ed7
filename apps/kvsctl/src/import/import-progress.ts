import { SingleBar } from "cli-progress";
import { type Output } from "../output.ts";
import { type OpenSource } from "./record-source.ts";

/** Time between two looks at how far it is. */
const UPDATE_MS = 200;

/** A bar on standard error while a file is imported: share, rate, remaining time. For people only. */
export class ImportProgress {
  readonly #source: OpenSource;
  readonly #bar: SingleBar | undefined;
  readonly #startMs = performance.now();
  #lastMs = 0;

  constructor(source: OpenSource, output: Output) {
    this.#source = source;
    const isShown = process.stderr.isTTY && !output.isJson && source.totalBytes !== undefined;
    if (!isShown) return;
    this.#bar = new SingleBar({
      format: " {bar} {percentage} % | {documents} documents | {rate}/s | {eta_formatted} left",
      barsize: 30,
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 50,
      stream: process.stderr,
    });
    this.#bar.start(source.totalBytes ?? 0, 0, { documents: 0, rate: 0 });
  }

  /** Notes how many documents are stored. */
  note(documents: number): void {
    const nowMs = performance.now();
    if (this.#bar === undefined || nowMs - this.#lastMs < UPDATE_MS) return;
    this.#lastMs = nowMs;
    const rate = Math.round(documents / Math.max(0.001, (nowMs - this.#startMs) / 1000));
    this.#bar.update(this.#source.bytesRead(), { documents, rate });
  }

  /** A line on standard error, above the bar. */
  say(text: string): void {
    if (this.#bar !== undefined) process.stderr.write("\r\u001B[K");
    process.stderr.write(`${text}\n`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
