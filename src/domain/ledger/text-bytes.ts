const utf8 = new TextEncoder()
/** UTF-8 bytes of a note's text, or of a message to be signed. */
export const textBytes = (text: string): Uint8Array => utf8.encode(text)
