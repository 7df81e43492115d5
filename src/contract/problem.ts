import { z } from 'zod'
import { Finding } from './documents.ts'

/** One field of the input that is wrong. `path` is a JSON Pointer (RFC 6901) into what was sent. */
export const FieldError = z.object({
  in: z.enum(['body', 'query', 'path', 'header']),
  path: z.string(),
  message: z.string(),
})

/**
 * Every error (RFC 9457). `type` is a relative reference that resolves on the server itself to a page about it;
 * `code` is its last segment, and the closed vocabulary that programs switch on.
 */
export const Problem = z
  .object({
    type: z.string().meta({ examples: ['/problems/self_review'] }),
    code: z.string().meta({ examples: ['self_review'] }),
    title: z.string(),
    status: z.int(),
    /** What is true of this case. One line. */
    detail: z.string().optional(),
    /** What to do about it. */
    hint: z.string().optional(),
    /** The id of the HTTP request, also in the log. */
    instance: z.string().optional(),
    errors: z.array(FieldError).optional(),
    /** With `documents_invalid`. */
    findings: z.array(Finding).optional(),
  })
  .meta({ id: 'Problem', description: 'What went wrong (RFC 9457)' })
export type ProblemBody = z.output<typeof Problem>
