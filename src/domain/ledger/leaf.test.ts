import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { instant } from '../time.ts'
import { commitTo, LEAF_LIMIT, leafBytes } from './leaf.ts'

const salt = Buffer.alloc(16, 3)
const entry = {
  kind: 'review.given',
  subject: 'request/HP-1',
  actor: 'mia',
  body: { request: 'HP-1', digest: 'ab', verdict: 'deny', words: 'not during the sale' },
}

describe('a leaf', () => {
  it('says who decided what, and nothing that somebody typed', () => {
    const commitment = commitTo(salt, Buffer.from('{}'))
    const text = Buffer.from(leafBytes(entry, instant(5), commitment)).toString()
    expect(JSON.parse(text)).toEqual({
      v: 1,
      kind: 'review.given',
      at: 5,
      subject: 'request/HP-1',
      actor: 'mia',
      facts: { request: 'HP-1', digest: 'ab', verdict: 'deny' },
      commitment: createHash('sha256').update(salt).update('{}').digest('base64'),
    })
    expect(text).not.toContain('sale')
  })

  it('of a kind that is not listed shows ids, and no objects or lists', () => {
    const body = { grant: 'G-1', role: 'hp_g1', words: 'x', session: { secret: 1 }, digest: ['x'], constructor: 1 }
    const leaf = leafBytes({ kind: 'constructor', subject: 's', body }, instant(1), salt)
    expect(JSON.parse(Buffer.from(leaf).toString())).toMatchObject({ facts: { grant: 'G-1', role: 'hp_g1' } })
    expect(Object.keys(JSON.parse(Buffer.from(leaf).toString()).facts as object)).toEqual(['grant', 'role'])
  })

  it('with too many facts leaves the longest out, and names it', () => {
    const eligible = Array.from({ length: 6_000 }, (_, i) => `person-${i}`)
    const body = {
      request: 'HP-1',
      digest: 'ab',
      requester: 'ana',
      requirements: [{ key: 'role', count: 1, eligible }],
    }
    const bytes = leafBytes({ kind: 'request.opened', subject: 'request/HP-1', body }, instant(1), salt)
    expect(bytes.length).toBeLessThanOrEqual(LEAF_LIMIT)
    const leaf = JSON.parse(Buffer.from(bytes).toString()) as { facts: object }
    expect(leaf.facts).toEqual({ request: 'HP-1', digest: 'ab', requester: 'ana', omitted: ['requirements'] })
  })
})
