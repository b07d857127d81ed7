import { type Environment, type File, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { EchoPair } from "../echo-pair.ts";
import { GroupCommitter } from "../group-committer.ts";
import { runCallers, runSlices } from "../load.ts";
import { sampleDocuments } from "../sample-documents.ts";
import { type Measure, type Suite } from "../suite.ts";

const PAGE_BYTES = 4096;
const ECHO_BYTES = 64;
const RECORD_BYTES = 150;
/** Written over from its beginning whenever it is full, as the segments of a log are. */
const LOG_BYTES = 64 << 20;
/** About 10 ms of work on this side of a turn of the event loop. */
const SLICE_PAGES = 200;

/** What the real environment gives: network, durable writes, ciphers, compressors. */
export const nodeSuite: Suite = {
  name: "node",
  description: "the real environment: echoes, durable writes, encryption, compression",
  measures: [
    echo(1, 20_000),
    echo(64, 400_000),
    echo(512, 400_000),
    durableWrite(1, 5_000),
    durableWrite(8, 40_000),
    durableWrite(64, 200_000),
    onPages("node.aes-gcm-4k-per-s", 100_000, sealPages),
    onPages("node.zstd-4k-per-s", 20_000, ({ compressors }) => compressPages(compressors.zstd)),
    onPages("node.fast-4k-per-s", 20_000, ({ compressors }) => compressPages(compressors.fast)),
  ],
};

/** Callers on one connection; client and server share this process and its processor time. */
function echo(callers: number, operations: number): Measure {
  let pair: EchoPair;
  return {
    id: `node.echo-per-s.${callers}`,
    unit: "1/s",
    prepare: async () => {
      pair = await EchoPair.open(createNodeEnvironment(), ECHO_BYTES);
      return { type: "ready", dispose: () => pair.close() };
    },
    run: (context) => runCallers(callers, context.operations(operations), () => pair.echo()),
  };
}

/** Callers whose records are gathered into one durable write at a time. */
function durableWrite(callers: number, operations: number): Measure {
  let file: File;
  let committer: GroupCommitter;
  const record = new Uint8Array(RECORD_BYTES).fill(0x6b);
  return {
    id: `node.durable-write-per-s.${callers}`,
    unit: "1/s",
    prepare: async ({ folder, isQuick }) => {
      const { disk } = createNodeEnvironment({ root: folder });
      file = await disk.open(`durable-write-${callers}`, { create: true });
      const logBytes = isQuick ? LOG_BYTES / 16 : LOG_BYTES;
      await file.allocate(0, logBytes);
      committer = new GroupCommitter(file, logBytes);
      return { type: "ready", dispose: () => file.close() };
    },
    run: (context) =>
      runCallers(callers, context.operations(operations), () => committer.write(record)),
  };
}

/** Work on one page after the other, on the event loop, one core. */
function onPages(
  id: string,
  operations: number,
  prepareWork: (environment: Environment) => (page: Uint8Array) => void,
): Measure {
  return {
    id,
    unit: "1/s",
    run: (context) => {
      const work = prepareWork(createNodeEnvironment());
      const pages = samplePages();
      let next = 0;
      return runSlices(context.operations(operations), SLICE_PAGES, (count) => {
        for (let done = 0; done < count; done++) work(pages[next++ % pages.length]!);
      });
    },
  };
}

function sealPages({ ciphers }: Environment): (page: Uint8Array) => void {
  const cipher = ciphers.aes256Gcm(new Uint8Array(KEY_BYTES).fill(7));
  const nonce = new Uint8Array(NONCE_BYTES);
  const counter = new DataView(nonce.buffer);
  const message = { nonce, associated: new Uint8Array(24), tag: new Uint8Array(TAG_BYTES) };
  const sealed = new Uint8Array(PAGE_BYTES);
  let sealedCount = 0;
  return (page) => {
    counter.setUint32(0, ++sealedCount);
    cipher.seal(message, page, sealed);
  };
}

function compressPages(compressor: {
  compress(plain: Uint8Array): Uint8Array;
}): (page: Uint8Array) => void {
  return (page) => void compressor.compress(page);
}

/** Pages of JSON documents: text that repeats its field names, as documents do. */
function samplePages(): Uint8Array[] {
  return Array.from({ length: 64 }, (_, page) => {
    const text = sampleDocuments(page, PAGE_BYTES);
    return new TextEncoder().encode(text).subarray(0, PAGE_BYTES);
  });
}
