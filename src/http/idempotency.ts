import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import canonicalize from 'canonicalize'
import type { Caller } from '../app/app.ts'
import type { IdempotencyStore, StoredAnswer } from '../app/ports/idempotency.ts'
import type { IncomingHttpHeaders } from 'node:http'
import { Refused } from './problems.ts'

/** How long a second call waits for the first, and how often it looks. */
const WAIT_MS = 15_000
const LOOK_MS = 50

/** @throws Refused `invalid_input` for a key that is not 1 to 255 visible ASCII characters. */
export function readIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && /^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new Refused('invalid_input', {
    errors: [{ in: 'header', path: '/idempotency-key', message: 'must be 1 to 255 visible ASCII characters' }],
  })
}

/**
 * One effect for any number of calls with the same key and body, one after the other or at once. A refusal is
 * not remembered: nothing was changed, and the next call may fare better.
 * @throws Refused `key_reused` when the key came with something else before.
 */
export async function answerOnce(
  idempotency: IdempotencyStore,
  asked: {
    readonly caller: Caller
    readonly key: string
    readonly operation: string
    readonly params: unknown
    readonly body: unknown
  },
  perform: () => Promise<StoredAnswer>,
): Promise<StoredAnswer & { readonly replayed: boolean }> {
  const what = canonicalize([asked.operation, asked.params ?? null, asked.body ?? null]) ?? ''
  const call = {
    principal: asked.caller.principal.id,
    key: asked.key,
    digest: createHash('sha256').update(what).digest('hex'),
  }
  for (let waited = 0; ; waited += LOOK_MS) {
    const begun = await idempotency.begin(call)
    switch (begun.kind) {
      case 'other_body':
        throw new Refused('key_reused')
      case 'answered':
        return { ...begun.answer, replayed: true }
      case 'running':
        if (waited >= WAIT_MS) throw new Refused('still_running')
        await pause(LOOK_MS)
        continue
      case 'mine': {
        let answer: StoredAnswer
        try {
          answer = await perform()
        } catch (error) {
          // A refusal changed nothing. After a fault nobody knows, so the key stays taken until the claim lapses.
          if (error instanceof Refused) await idempotency.abandon(call)
          throw error
        }
        await idempotency.finish(call, answer)
        return { ...answer, replayed: false }
      }
    }
  }
}
