import { crc32, decodeUtf8, encodeUtf8 } from "@kvs/codec";

/** What a client asks of a register. Every value is written once. */
export interface RegisterCommand {
  readonly key: string;
  readonly value: number;
  /** The write takes effect only if the register holds this; `undefined`: always. */
  readonly expected?: number | null;
}

export function encodeCommand(command: RegisterCommand): Uint8Array {
  return encodeUtf8(JSON.stringify(command));
}

export function decodeCommand(bytes: Uint8Array): RegisterCommand {
  return JSON.parse(decodeUtf8(bytes)) as RegisterCommand;
}

/** Tells entries apart: of any two, the terms or these numbers differ. */
export function hashPayload(bytes: Uint8Array): number {
  return crc32(bytes);
}
