/** Below this many bytes a loop beats the call and the view that `set` costs. */
const COPY_LOOP_BYTES = 48;

/** Copies `length` bytes of `source`, from `from` on, to `at` in `target`. They must not overlap. */
// oxlint-disable-next-line eslint/max-params -- a memory copy has five
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  if (length > COPY_LOOP_BYTES) target.set(source.subarray(from, from + length), at);
  else for (let byte = 0; byte < length; byte++) target[at + byte] = source[from + byte]!;
}
