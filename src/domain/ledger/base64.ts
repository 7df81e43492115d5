/** Standard base64 (RFC 4648, section 4) without `Buffer`, which the domain does not know. For short byte strings. */
export const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** Undefined for anything but the one canonical spelling: no spaces, padding in full, no stray bits. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  try {
    const binary = atob(text)
    return btoa(binary) === text ? Uint8Array.from(binary, (c) => c.charCodeAt(0)) : undefined
  } catch {
    return undefined
  }
}
