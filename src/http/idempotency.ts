import { createHmac } from 'node:crypto'
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

/** Stands for an answer that held a secret: that it was given is kept, what it said is not. */
const SHOWN_ONCE = { shown: 'once' } as const
const wasShownOnce = ({ body }: StoredAnswer): boolean =>
  typeof body === 'object' && body !== null && 'shown' in body && body.shown === SHOWN_ONCE.shown

/**
 * One effect for any number of calls with the same key and body, one after the other or at once. A refusal is
 * not remembered: nothing was changed, and the next call may fare better.
 * @param digestKey of the server, and not in its store: a body may hold a password, and a digest can be guessed against.
 * @throws Refused `key_reused` when the key came with something else before; `shown_once` instead of an answer again
 *   that held a secret.
 */
export async function answerOnce(
  idempotency: IdempotencyStore,
  asked: {
    readonly caller: Caller
    readonly key: string
    readonly operation: string
    readonly params: unknown
    readonly body: unknown
    readonly secretAnswer: boolean
  },
  digestKey: Uint8Array,
  perform: () => Promise<StoredAnswer>,
): Promise<StoredAnswer & { readonly replayed: boolean }> {
  const what = canonicalize([asked.operation, asked.params ?? null, asked.body ?? null]) ?? ''
  const call = {
    principal: asked.caller.principal.id,
    key: asked.key,
    digest: createHmac('sha256', digestKey).update(what).digest('hex'),
  }
  for (let waited = 0; ; waited += LOOK_MS) {
    const begun = await idempotency.begin(call)
    switch (begun.kind) {
      case 'other_body':
        throw new Refused('key_reused')
      case 'answered':
        if (asked.secretAnswer && wasShownOnce(begun.answer)) throw new Refused('shown_once')
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
        await idempotency.finish(call, asked.secretAnswer ? { ...answer, body: SHOWN_ONCE } : answer)
        return { ...answer, replayed: false }
      }
    }
  }
}
