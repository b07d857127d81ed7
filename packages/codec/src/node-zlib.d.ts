// The one function of Node that this package uses. Declared here because the types of Node stay out
// of every package but @kvs/node: with them, clocks and sockets would compile anywhere.
declare module "node:zlib" {
  export function crc32(data: Uint8Array, value?: number): number;
}
