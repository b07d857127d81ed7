import { statSync } from "node:fs";
import { explain } from "../explain.ts";
import { ImportProgress } from "../import/import-progress.ts";
import { Importer, type Tally } from "../import/importer.ts";
import { type OpenSource, type SourceFormat, openSource } from "../import/record-source.ts";
import { CommandFailure, type Session, callersPath, withDatabase } from "../session.ts";

/** Bad records named one by one; the rest is only counted. */
const PROBLEMS_SHOWN = 20;
/** As a shell reports a program that Ctrl-C ended. */
const EXIT_INTERRUPTED = 130;
/** A second Ctrl-C within this time is the same one: a terminal delivers it twice through pnpm. */
const SAME_SIGNAL_MS = 2000;

export interface ImportFlags {
  readonly format?: SourceFormat;
  readonly stopOnError?: boolean;
}

/** How an import ended. */
interface Ending {
  readonly isStopped: boolean;
  readonly seconds: number;
}

/**
 * Stores the records of a file as documents. Exit code 1 if there was a bad one, 130 if it was
 * stopped by Ctrl-C.
 */
export async function importFile(
  session: Session,
  collection: string,
  file: string,
  flags: ImportFlags,
): Promise<void> {
  const source = openSource(file, flags.format, sizeOf(file));
  try {
    await withDatabase(session, async (database) => {
      const { totalBytes, bytesRead } = source;
      const isWanted = !session.output.isJson;
      const progress = new ImportProgress({ totalBytes, bytesRead, isWanted });
      const importer = new Importer({
        collection: database.collection(collection),
        name: source.name,
        stopsOnError: flags.stopOnError ?? false,
        onProblem: (text) => sayProblem(text, importer.tally.bad, progress),
        onStored: ({ inserted, existing }) => progress.note(inserted + existing),
      });
      const ending = await run(importer, source, progress);
      await report(session, importer.tally, ending);
    });
  } finally {
    source.stop();
  }
}

async function run(
  importer: Importer,
  source: OpenSource,
  progress: ImportProgress,
): Promise<Ending> {
  const startMs = performance.now();
  let stoppedMs: number | undefined;
  const stop = (): void => {
    const nowMs = performance.now();
    if (stoppedMs !== undefined && nowMs - stoppedMs > SAME_SIGNAL_MS) {
      progress.stop();
      process.exit(EXIT_INTERRUPTED);
    }
    stoppedMs ??= nowMs;
    importer.stop();
    source.stop();
  };
  process.on("SIGINT", stop);
  try {
    await importer.run(source.records);
  } catch (error) {
    const { inserted, existing } = importer.tally;
    if (inserted + existing === 0) throw error;
    const message = `${explain(error)}\n  ${advice(importer.tally)}`;
    throw new CommandFailure(message, { cause: error });
  } finally {
    progress.stop();
    process.off("SIGINT", stop);
  }
  const seconds = Math.max(0.001, (performance.now() - startMs) / 1000);
  return { isStopped: stoppedMs !== undefined, seconds };
}

/** How far an import came that did not come to its end, and how to go on. */
function advice({ inserted, existing }: Tally): string {
  return (
    `${counted(inserted + existing)} of the file stored; ` +
    "the same command goes on, and leaves them as they are"
  );
}

function sayProblem(text: string, count: number, progress: ImportProgress): void {
  if (count <= PROBLEMS_SHOWN) progress.say(text);
  if (count === PROBLEMS_SHOWN + 1) progress.say("further bad records are only counted");
}

async function report(session: Session, tally: Tally, ending: Ending): Promise<void> {
  const { output } = session;
  const { seconds, isStopped } = ending;
  const documentsPerSecond = Math.round((tally.inserted + tally.existing) / seconds);
  if (output.isJson) {
    await output.value({ ...tally, seconds: Number(seconds.toFixed(3)), documentsPerSecond });
  } else {
    const existing = tally.existing === 0 ? "" : `, ${tally.existing} there already`;
    const bad = tally.bad === 0 ? "" : `, ${tally.bad} bad`;
    const rate = `${seconds.toFixed(1)} s, ${documentsPerSecond} documents/s`;
    await output.say(`imported ${counted(tally.inserted)}${existing}${bad} (${rate})`);
  }
  if (isStopped) process.stderr.write(`kvsctl: stopped; ${advice(tally)}\n`);
  if (isStopped) process.exitCode = EXIT_INTERRUPTED;
  else if (tally.bad > 0) process.exitCode = 1;
}

function counted(documents: number): string {
  return documents === 1 ? "1 document" : `${documents} documents`;
}

function sizeOf(file: string): number | undefined {
  if (file === "-") return undefined;
  const stats = statSync(callersPath(file), { throwIfNoEntry: false });
  if (stats === undefined) throw new CommandFailure(`there is no file ${file}`);
  return stats.isFile() ? stats.size : undefined;
}
