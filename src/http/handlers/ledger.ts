import { present, time } from '../view/scalars.ts'
import { mapped } from './handler.ts'
import type { Handlers } from './handler.ts'

type Operations = 'getLedger' | 'getLedgerEntry' | 'getConsistency' | 'eraseBodies'

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

export const ledger: Handlers<Operations> = {
  getLedger: async ({ app, caller }) =>
    mapped(await app.ledgerStatus(caller), ({ origin, keys, newest, waiting, cosigned }) =>
      present({
        origin,
        keys: [...keys],
        size: newest?.size ?? 0,
        checkpoint: newest?.note,
        signedAt: newest === undefined ? undefined : time(newest.at),
        waiting,
        cosigned: cosigned.map((one) => ({ ...one, at: time(one.at) })),
      }),
    ),
  getLedgerEntry: async ({ app, caller, params }) =>
    mapped(await app.proveEntry(caller, Number(params.index)), ({ index, leaf, body, size, checkpoint, proof }) =>
      present({
        index,
        leaf: text(leaf),
        salt: body === undefined ? undefined : base64(body.salt),
        entry: body === undefined ? undefined : text(body.bytes),
        size,
        checkpoint,
        proof: proof.map(base64),
      }),
    ),
  async getConsistency({ app, caller, query }) {
    const sizes = { from: Number(query.from), to: Number(query.to) }
    return mapped(await app.proveConsistency(caller, sizes), (proof) => ({ ...sizes, proof: proof.map(base64) }))
  },
  eraseBodies: async ({ app, caller, body }) =>
    mapped(await app.eraseBodies(caller, body), ({ erased, left }) => ({ erased: [...erased], left: [...left] })),
}
