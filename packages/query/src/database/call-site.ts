/** Frames of one look: a call passes some fifteen of ours, and a user's helper or two. */
const FRAMES_MAX = 40;
/** Folders of a package that hold code of ours; tests beside them are users. */
const OURS = /^(?:src|wiring|dist)\//u;

/**
 * Where in the user's code the call that is going on was made: the innermost place that is not in
 * these packages, such as `/app/transfer.ts:12:14`.
 *
 * @returns `undefined` if nobody else is on the stack, as in a server, or the engine tells no stacks.
 *
 * Cost: some 20 µs; only for calls that have to wait.
 */
export function userCallSite(): string | undefined {
  const places = callPlaces();
  const own = places[0];
  if (own === undefined) return undefined;
  const packages = /^(.*\/)query\/(?:dist\/)?src\//u.exec(own)?.[1];
  if (packages === undefined) return undefined;
  return places.find((place) => !isOurs(place, packages));
}

/** Files with lines and columns, the innermost first; what V8 knows of waiting callers, too. */
function callPlaces(): string[] {
  const engine = Error as unknown as { stackTraceLimit?: number };
  const before = engine.stackTraceLimit;
  engine.stackTraceLimit = FRAMES_MAX;
  const { stack } = new Error("where");
  if (before === undefined) delete engine.stackTraceLimit;
  else engine.stackTraceLimit = before;
  const places: string[] = [];
  for (const [, place] of (stack ?? "").matchAll(/^ +at (?:.*\()?(.*:\d+:\d+)\)?$/gmu)) {
    places.push(place!.replace(/^async /u, "").replace(/^file:\/\//u, ""));
  }
  return places;
}

function isOurs(place: string, packages: string): boolean {
  if (place.startsWith("node:")) return true;
  if (!place.startsWith(packages)) return false;
  const inPackage = place.slice(packages.length);
  return OURS.test(inPackage.slice(inPackage.indexOf("/") + 1));
}
