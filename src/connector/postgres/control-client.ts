import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { OpenTarget } from '../../app/ports/target.ts'
import { isOnThisMachine } from '../../domain/profile/target.ts'

/** The target may not be the right one: a sentence that ends "the target cannot be used: ". */
export class NotTheRightTarget extends Error {}

/**
 * How a control connection proves itself, by the rules that sessions have (`connect-target.ts`): another machine has to
 * ask for the password that there is for it, unless its certificate was verified; SCRAM counts once the server has proven
 * itself too; and no password goes out in clear text but to this machine or inside TLS. Of the environment and of
 * `.pgpass`, where `pg` would look for a password, nothing is used.
 */
export function proving(target: OpenTarget): Pick<pg.PoolConfig, 'Client' | 'verify'> {
  const proven = new WeakSet<pg.ClientBase>()
  const local = isOnThisMachine(target)
  const must = target.password !== undefined && !local && target.sslmode !== 'verify-full'

  class ControlClient extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super({ ...(typeof config === 'object' ? config : {}), password: () => target.password ?? '' })
      const { connection } = this
      connection.on('authenticationCleartextPassword', () => {
        if (local || connection.stream instanceof TLSSocket) proven.add(this)
        // It answers in a later turn, by when there is nothing to write to.
        else connection.stream.destroy(new NotTheRightTarget('it asks for the password in clear text'))
      })
      connection.on('authenticationMD5Password', () => proven.add(this))
      connection.on('authenticationSASLFinal', () => proven.add(this))
    }
  }
  return {
    Client: ControlClient,
    verify: (client, done) => done(must && !proven.has(client) ? new NotTheRightTarget(NOT_ASKED) : undefined),
  }
}

const NOT_ASKED = 'it does not ask for the password that there is for it, and may not be the right server'
