import { SingleBar } from "cli-progress";

/** Time between two looks at how far it is. */
const UPDATE_MS = 200;
const BAR = " {bar} {percentage} % | {documents} documents | {rate}/s | {eta_formatted} left";
/** Where nobody knows how much there is. */
const COUNTER = " {documents} documents | {rate}/s";
/** Fits a terminal of 80 columns. */
const BAR_CHARACTERS = 24;
const CLEAR_LINE = "\r\u001B[K";
/** The bar clears the line where it was saved when it ends: text above it has to be behind that. */
const SAVE_CURSOR = "\u001B7";
const SHOW_CURSOR = "\u001B[?25h";

export interface ProgressOptions {
  /** Of the file; `undefined` if nobody knows. */
  readonly totalBytes: number | undefined;
  readonly bytesRead: () => number;
  /** Whether a bar is wanted; it is shown on a terminal only. */
  readonly isWanted: boolean;
}

/** A bar on standard error while a file is imported: share, rate, remaining time. For people only. */
export class ImportProgress {
  readonly #options: ProgressOptions;
  readonly #bar: SingleBar | undefined;
  readonly #startMs = performance.now();
  #lastMs = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
    if (!process.stderr.isTTY || !options.isWanted) return;
    this.#bar = new SingleBar({
      format: options.totalBytes === undefined ? COUNTER : BAR,
      barsize: BAR_CHARACTERS,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 50,
      stream: process.stderr,
    });
    this.#bar.start(options.totalBytes ?? 1, 0, { documents: 0, rate: 0 });
  }

  /** Notes how many documents are stored. */
  note(documents: number): void {
    const nowMs = performance.now();
    if (this.#bar === undefined || nowMs - this.#lastMs < UPDATE_MS) return;
    this.#lastMs = nowMs;
    const rate = Math.round(documents / Math.max(0.001, (nowMs - this.#startMs) / 1000));
    const bytes = this.#options.totalBytes === undefined ? 0 : this.#options.bytesRead();
    this.#bar.update(bytes, { documents, rate });
  }

  /** A line on standard error, above the bar. */
  say(text: string): void {
    const isAlone = this.#bar === undefined;
    process.stderr.write(isAlone ? `${text}\n` : `${CLEAR_LINE}${text}\n${SAVE_CURSOR}`);
  }

  /** Clears the bar. */
  stop(): void {
    if (this.#bar === undefined) return;
    this.#bar.stop();
    process.stderr.write(SHOW_CURSOR);
  }
}
