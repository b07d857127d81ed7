import { type Wal } from "../src/index.ts";
import { payloadOf } from "./fixture.ts";
import { type LogModel } from "./log-model.ts";

/** A scripted life: several groups, segments, a cut, a truncation of the head. */
export async function runScript(wal: Wal, model: LogModel): Promise<void> {
  const append = (index: number, length: number): void => {
    model.append(wal, 1 + (index % 9), payloadOf(index, length));
  };
  const sync = async (): Promise<void> => {
    const { endLsn } = wal;
    await wal.sync();
    model.ackedLsn = Math.max(model.ackedLsn, endLsn);
  };
  for (let group = 0; group < 4; group++) {
    for (let at = 0; at < 3; at++) append(group * 10 + at, 150 + 300 * at);
    await sync();
  }
  // The next group begins a segment, behind a rest that is too small.
  const rest = 4096 - ((wal.endLsn - model.origin + 64) % 4096);
  append(40, (rest < 100 ? rest + 4096 - 64 - 32 : rest) - 32 - 10);
  await sync();
  append(41, 300);
  append(42, 600);
  append(43, 100);
  await sync();
  append(50, 9000); // over three segments
  append(51, 1);
  await sync();
  append(60, 100);
  const last = model.records.at(-3)!.lsn;
  await cut(wal, model, last);
  append(70, 100);
  append(71, 1500);
  await sync();
  model.droppedBefore = model.records.at(-2)!.start;
  await wal.truncateBefore(model.droppedBefore);
  for (let at = 80; at < 84; at++) append(at, 900);
  await sync();
  append(90, 2000);
  await wal.close();
  model.ackedLsn = model.endLsn;
}

export async function cut(wal: Wal, model: LogModel, position: number): Promise<void> {
  model.cutting = position;
  await wal.truncateAfter(position);
  model.records = model.records.filter(({ lsn }) => lsn <= position);
  model.ackedLsn = Math.min(model.ackedLsn, position);
  model.cutting = undefined;
}
