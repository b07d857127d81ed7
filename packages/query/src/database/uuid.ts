import { type Clock, type Random } from "@kvs/env";

const HEX = "0123456789abcdef";

/**
 * Makes ids that are unique everywhere and grow with time: 48 bits of milliseconds, 74 random ones.
 *
 * Source: RFC 9562, §5.7, UUID version 7.
 */
export function newUuid(clock: Clock, random: Random): string {
  const bytes = random.fill(new Uint8Array(16));
  const ms = clock.wallMs();
  bytes[0] = ms / 2 ** 40;
  bytes[1] = ms / 2 ** 32;
  bytes[2] = ms / 2 ** 24;
  bytes[3] = ms / 2 ** 16;
  bytes[4] = ms / 2 ** 8;
  bytes[5] = ms;
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  let text = "";
  for (let at = 0; at < 16; at++) {
    if (at === 4 || at === 6 || at === 8 || at === 10) text += "-";
    text += HEX[bytes[at]! >>> 4]! + HEX[bytes[at]! & 15]!;
  }
  return text;
}
