import { z } from 'zod'
import { isName, parseRequestId } from '../domain/ids.ts'
import { DURATION, parseDuration } from '../domain/time.ts'
import { NAMED_VERBS, VERBS } from '../domain/verb.ts'

/** One year. Policy caps most lengths far below; a longer one is a mistake and is refused here already. */
const LONGEST_MS = 366 * 86_400_000

/** A moment, as RFC 3339 in UTC with milliseconds: `2026-11-23T14:32:00.000Z`. */
export const Time = z.iso.datetime().meta({ description: 'RFC 3339, UTC', examples: ['2026-11-23T14:32:00.000Z'] })

/** A length of time in a body or a query: `90s`, `15m`, `1h30m`. Read it with `parseDuration`. */
export const Duration = z
  .string()
  .max(40)
  .regex(DURATION, 'must be a length of time such as 90s, 15m, 8h or 1h30m')
  .refine((text) => (parseDuration(text) ?? Infinity) <= LONGEST_MS, 'must be more than zero and at most a year')
  .meta({
    description: 'A length of time: whole numbers with d, h, m, s or ms, each once and in this order',
    examples: ['15m', '1h30m'],
  })

/** A length of time in an answer, where it may be anything that `formatDuration` writes. */
export const DurationText = z.string().meta({ examples: ['15m'] })

export const Name = z
  .string()
  .max(63)
  .refine(isName, "must be 1 to 63 of a-z, 0-9, '.', '_' or '-', starting and ending with a letter or digit")
  .meta({ pattern: '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$', examples: ['payments-db'] })

export const RequestIdText = z
  .string()
  .max(32)
  .refine((text) => parseRequestId(text) !== undefined, 'must be the id of a request, such as HP-142')
  .meta({ pattern: '^(?:[Hh][Pp]-)?[1-9][0-9]{0,14}$', examples: ['HP-142'] })

/** The id of a token, session or grant: opaque. */
export const Id = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.-]+$/, 'is not an id')

export const DigestText = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')
  .meta({ description: 'SHA-256 in lower-case hexadecimal' })

export const RevisionNumber = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
/** A revision in a query string. */
export const RevisionText = z.string().regex(/^(?:0|[1-9][0-9]{0,14})$/, 'must be the number of a revision')

export const AnyVerb = z.enum(VERBS)
export const NamedVerbs = z
  .array(z.enum(NAMED_VERBS))
  .min(1)
  .max(NAMED_VERBS.length)
  .refine((verbs) => new Set(verbs).size === verbs.length, 'must not repeat a verb')

/** Words that a person writes for another to read. */
export const Words = z.string().min(1).max(2_000)

/** Opaque and signed; give back what `next` or `cursor` held. */
export const Cursor = z.string().min(1).max(512)
/** In a query string. */
export const Limit = z
  .string()
  .regex(/^[1-9][0-9]{0,2}$/, 'must be a whole number from 1 to 200')
  .refine((text) => Number(text) <= 200, 'must be a whole number from 1 to 200')
export const Flag = z.enum(['true', 'false'])

/** A page: give `next` back as `cursor` to go on; absent at the end. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().optional() })
