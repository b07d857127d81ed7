/** The files below a store's directory. */
export function storePaths(path: string): { lock: string; pages: string; log: string } {
  return { lock: `${path}/lock`, pages: `${path}/pages.kvs`, log: `${path}/log` };
}

/** The directory that holds this name. */
export function parentOf(path: string): string {
  const end = path.replace(/\/+$/, "").lastIndexOf("/");
  return end < 0 ? "." : end === 0 ? "/" : path.slice(0, end);
}
