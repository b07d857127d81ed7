import { type Session, withDatabase } from "../session.ts";

/** Prints what the database holds. */
export function stats(session: Session): Promise<void> {
  const { output } = session;
  return withDatabase(session, async (database) => {
    const figures = await database.stats();
    if (output.isJson) {
      await output.value(figures);
      return;
    }
    const { transactions } = figures;
    await output.table(
      ["", "value"],
      [
        ["database", figures.name],
        ["collections", figures.collections.join(", ") || "none"],
        ["newest version", figures.version],
        ["on disk", megabytes(figures.diskBytes)],
        ["page cache in use", megabytes(figures.memoryBytes)],
        ["log since checkpoint", megabytes(figures.logBytes)],
        ["open cursors", figures.openCursors],
        ["open transactions", transactions.open],
        ["oldest of them", `${(transactions.oldestMs / 1000).toFixed(1)} s`],
        ["locked keys, waits", `${transactions.locks}, ${transactions.waits}`],
        ["committed, rolled back", `${transactions.committed}, ${transactions.rolledBack}`],
        ["conflicts, deadlocks", `${transactions.conflicts}, ${transactions.deadlocks}`],
      ],
    );
  });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
