import { expect, it } from 'vitest'
import { installation, withClient } from '../support/installation.ts'

/** As most policies are written: no rule says how far an approval reaches, so it is for its statement alone. */
const RULES = `kind: Settings
default: hold
security: security
timeout: 15m
---
kind: Rule
name: connecting
on: {verbs: [connect, read]}
allow: {}
---
kind: Rule
name: changes
on: {verbs: [write]}
hold: {reviews: [{from: owners}], grantAtMost: 2s}
`

it(
  'the session of an approval that was used goes on behind the time of that approval',
  { timeout: 60_000 },
  async () => {
    await using hp = await installation({ documents: [RULES] })
    await withClient(hp.connection, async (client) => {
      const [, waiting] = await Promise.all([client.query('INSERT INTO carts VALUES (1)'), hp.approve()])
      const over = Date.parse(
        (await hp.as('mia').call('getRequest', { params: { id: waiting.id } })).grant?.expiresAt ?? '',
      )
      await hp.store.query('SELECT pg_sleep(greatest(0, ($1::bigint - holdpoint_now()) / 1000.0))', [over + 1_000])
      expect((await client.query('SELECT count(*)::int AS n FROM carts')).rows).toEqual([{ n: 1 }])
      const later = await hp.as('mia').call('getRequest', { params: { id: waiting.id } })
      expect([later.state, later.execution?.state, later.grant?.state]).toEqual(['approved', 'succeeded', 'ended'])
    })
  },
)
