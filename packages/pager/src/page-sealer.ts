import {
  type Cipher,
  type CipherMessage,
  type DataKeys,
  type Environment,
  NONCE_BYTES,
  NonceSequence,
  TAG_BYTES,
  assert,
} from "@kvs/env";
import {
  FLAG_AUTHENTICATED,
  FLAG_SEALED,
  PAGE_BYTES,
  PAGE_FLAGS_OFFSET,
  PAGE_HEADER_BYTES,
  PAGE_KEY_ID_OFFSET,
  PAGE_NONCE_OFFSET,
  PAGE_TAG_OFFSET,
  PAGE_TYPE_OFFSET,
} from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { type PageOwner, sealPage, sealedKeyOf, writeChecksum, writeOwner } from "./page-seal.ts";
import { keyUnknown, notAuthentic } from "./pager-error.ts";

/** What is authenticated beside a sealed body: type, flags, pageLsn, pageId, fileId, epoch, keyId. */
const BOUND_BYTES: number = PAGE_NONCE_OFFSET - PAGE_TYPE_OFFSET;
const NOTHING: Uint8Array = new Uint8Array(0);

export interface PageSealerOptions {
  /** For the errors' text. */
  readonly path: string;
  readonly owner: PageOwner;
  /** Without keys pages are written plain, and sealed ones cannot be read. */
  readonly keys?: DataKeys | undefined;
  /** Refuses pages that are plain. */
  readonly onlySealed?: boolean | undefined;
}

/**
 * Makes pages ready for the disk, and takes them back from there.
 *
 * With keys the body is sealed with AES-256-GCM under the current one; the nonce, the tag and the
 * key's number go into the page's header, and all the rest of the header is bound to the body, so
 * that a sealed page cannot be passed off as another page, as that page of another file, or as an
 * older or newer state of it by changing its LSN. The checksum is of the bytes as they are on the
 * disk: it tells damage from forgery, and needs no key.
 *
 * 1. A nonce serves one page once: the sequence is made at open and draws a prefix of its own.
 * 2. In a frame there is never a sealed body, nor a trace of key, nonce and tag.
 *
 * What it does not show: that a page was replaced by an older one that was sealed for the same place,
 * whole. In one life the pager notices (`PAGER_LOST_WRITE`).
 *
 * Source: NIST SP 800-38D; binding a page to its place after SQLCipher and Oracle TDE.
 */
export class PageSealer {
  readonly #path: string;
  readonly #owner: PageOwner;
  readonly #keys: DataKeys | undefined;
  readonly #onlySealed: boolean;
  readonly #nonces: NonceSequence;
  /** Sabotage: one nonce for all pages. */
  readonly #fixedNonce: Uint8Array | undefined;
  /** Sabotage: nothing is bound to the body. */
  readonly #bindsNothing: boolean;

  constructor(environment: Environment, options: PageSealerOptions) {
    const { random, hooks } = environment;
    this.#path = options.path;
    this.#owner = options.owner;
    this.#keys = options.keys;
    this.#onlySealed = options.onlySealed ?? false;
    this.#nonces = new NonceSequence(random);
    this.#bindsNothing = hooks.hasMutant("pager.skip-associated-data");
    if (hooks.hasMutant("pager.reuse-nonce")) this.#fixedNonce = new Uint8Array(NONCE_BYTES);
  }

  get owner(): PageOwner {
    return this.#owner;
  }

  /** The key that new pages are sealed with; 0 if they stay plain. */
  get currentKeyId(): number {
    return this.#keys?.currentId ?? 0;
  }

  /** Fills in all that a page needs on the disk, and seals its body if there are keys. In place. */
  seal(page: Uint8Array): void {
    if (this.#keys === undefined) return sealPage(page, this.#owner);
    writeOwner(page, this.#owner);
    const cipher = this.#begin(page, this.#keys, FLAG_SEALED);
    const body = page.subarray(PAGE_HEADER_BYTES, PAGE_BYTES);
    cipher.seal(this.#messageOf(page, this.#boundBytes(page)), body, body);
    writeChecksum(page);
  }

  /**
   * Opens a page whose checksum was found right, in place: what is left is what was in the frame.
   *
   * @throws {KvsError} `PAGER_KEY_UNKNOWN`; `PAGER_NOT_AUTHENTIC`: the page is as it was.
   */
  open(page: Uint8Array, id: PageId): void {
    if ((page[PAGE_FLAGS_OFFSET]! & FLAG_SEALED) === 0) {
      if (this.#onlySealed) throw notAuthentic(this.#path, id, 0);
      return;
    }
    const keyId = sealedKeyOf(page);
    const body = page.subarray(PAGE_HEADER_BYTES, PAGE_BYTES);
    const message = this.#messageOf(page, this.#boundBytes(page));
    // The body of a page that is refused is undefined, and its frame is given back.
    if (!this.#cipherOf(keyId, id).open(message, body, body)) {
      throw notAuthentic(this.#path, id, keyId);
    }
    page[PAGE_FLAGS_OFFSET] = 0;
    page.fill(0, PAGE_KEY_ID_OFFSET, PAGE_TAG_OFFSET + TAG_BYTES);
  }

  /** Makes a copy of the file's header unforgeable if there are keys. Its body stays plain. */
  authenticate(page: Uint8Array): void {
    if (this.#keys === undefined) return;
    const cipher = this.#begin(page, this.#keys, FLAG_AUTHENTICATED);
    cipher.seal(this.#messageOf(page, headerBytes(page)), NOTHING, NOTHING);
    writeChecksum(page);
  }

  /**
   * Verifies a copy of the file's header, whose checksum was found right.
   *
   * @throws {KvsError} `PAGER_KEY_UNKNOWN`, `PAGER_NOT_AUTHENTIC`.
   */
  requireAuthentic(page: Uint8Array, id: PageId): void {
    if ((page[PAGE_FLAGS_OFFSET]! & FLAG_AUTHENTICATED) === 0) {
      if (this.#onlySealed) throw notAuthentic(this.#path, id, 0);
      return;
    }
    const keyId = sealedKeyOf(page);
    const message = this.#messageOf(page, headerBytes(page));
    if (!this.#cipherOf(keyId, id).open(message, NOTHING, NOTHING)) {
      throw notAuthentic(this.#path, id, keyId);
    }
  }

  /** Writes flag, key and a new nonce into the page's header. Returns the key's cipher. */
  #begin(page: Uint8Array, keys: DataKeys, flag: number): Cipher {
    const cipher = keys.cipherOf(keys.currentId);
    assert(cipher !== undefined, "the current key is always at hand");
    page[PAGE_FLAGS_OFFSET] = flag;
    viewOf(page).setUint32(PAGE_KEY_ID_OFFSET, keys.currentId, true);
    if (this.#fixedNonce === undefined) this.#nonces.writeNext(page, PAGE_NONCE_OFFSET);
    else page.set(this.#fixedNonce, PAGE_NONCE_OFFSET);
    return cipher;
  }

  #boundBytes(page: Uint8Array): Uint8Array {
    if (this.#bindsNothing) return NOTHING;
    return page.subarray(PAGE_TYPE_OFFSET, PAGE_TYPE_OFFSET + BOUND_BYTES);
  }

  #messageOf(page: Uint8Array, associated: Uint8Array): CipherMessage {
    return {
      nonce: page.subarray(PAGE_NONCE_OFFSET, PAGE_NONCE_OFFSET + NONCE_BYTES),
      tag: page.subarray(PAGE_TAG_OFFSET, PAGE_TAG_OFFSET + TAG_BYTES),
      associated,
    };
  }

  #cipherOf(keyId: number, id: PageId): Cipher {
    const cipher = this.#keys?.cipherOf(keyId);
    if (cipher === undefined) throw keyUnknown(this.#path, id, keyId);
    return cipher;
  }
}

/** All of a header page but checksum, nonce and tag. */
function headerBytes(page: Uint8Array): Uint8Array {
  const bytes = page.slice(PAGE_TYPE_OFFSET);
  bytes.fill(
    0,
    PAGE_NONCE_OFFSET - PAGE_TYPE_OFFSET,
    PAGE_TAG_OFFSET + TAG_BYTES - PAGE_TYPE_OFFSET,
  );
  return bytes;
}

function viewOf(page: Uint8Array): DataView {
  return new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
}
