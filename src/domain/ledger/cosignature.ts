import { textBytes } from './text-bytes.ts'

/*
 * What a witness signs (C2SP tlog-cosignature, `cosignature/v1`): that at this time the tree of this checkpoint was the
 * largest it had seen of the log, and consistent with all before.
 */

/** The bytes to sign: the whole text of the checkpoint behind two lines. `seconds` since 1970. */
export const cosignedMessage = (checkpointText: string, seconds: number): Uint8Array =>
  textBytes(`cosignature/v1\ntime ${seconds}\n${checkpointText}`)

/** The signature of a cosignature's line: the time, then the 64 bytes of Ed25519. */
export function encodeCosignature(seconds: number, signature: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + signature.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(seconds))
  bytes.set(signature, 8)
  return bytes
}

/** Undefined for bytes that are not a time and an Ed25519 signature. */
export function decodeCosignature(
  bytes: Uint8Array,
): { readonly seconds: number; readonly signature: Uint8Array } | undefined {
  if (bytes.length !== 72) return undefined
  const seconds = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0))
  return Number.isSafeInteger(seconds) ? { seconds, signature: bytes.slice(8) } : undefined
}
