import { randomBytes } from 'node:crypto'

/** 192 random bits in ASCII that SASLprep, URLs and shells leave as it is. */
export const randomPassword = (): string => randomBytes(24).toString('base64url')
