import type { App, Caller } from '../../src/app/app.ts'
import { createPeopleUseCases } from '../../src/app/people/create-people-use-cases.ts'
import { prepareSetup } from '../../src/app/people/setup.ts'
import { createRecordUseCases } from '../../src/app/record/create-record-use-cases.ts'
import { createSecretUseCases } from '../../src/app/secrets/create-secret-use-cases.ts'
import type { Sealer } from '../../src/app/ports/secrets.ts'
import type { Result } from '../../src/app/result.ts'
import type { Snapshot } from '../../src/domain/policy/snapshot.ts'
import { parseKeyring } from '../../src/store/keyring.ts'
import type { OpenStore } from '../../src/store/open-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { createSealer } from '../../src/store/sealing.ts'
import type { TestDatabase } from './database.ts'
import { testDatabase } from './database.ts'

export type Ground = Pick<
  App,
  | keyof ReturnType<typeof createPeopleUseCases>
  | keyof ReturnType<typeof createSecretUseCases>
  | 'listEntries'
  | 'settledCursor'
  | 'followEntries'
  | 'recordRefusal'
>

/** People, secrets and the record over a real store of the test's own. */
export interface TestGround {
  readonly app: Ground
  readonly open: OpenStore
  readonly database: TestDatabase
  readonly sealer: Sealer
  /** What the record's readers and `listPeople` take for the policy in force. */
  policy: Snapshot | undefined
  /** How often a reader of the record asked for a newer policy. */
  refreshes: number
  /** An administrator who is signed in: Sam. */
  readonly sam: Caller
  /** Makes an account, unless it is there, and signs it in by a token. */
  caller(
    name: string,
    options?: {
      readonly kind?: 'service' | 'agent'
      readonly roles?: readonly ('admin' | 'auditor')[]
      readonly sponsor?: string
    },
  ): Promise<Caller>
  /** Writes what was gathered to the record. */
  flush(): Promise<void>
  close(): Promise<void>
}

export const PASSWORD = 'a long enough pass phrase'
export const ADDRESS = '192.0.2.7'
/** A fixed keyring, so that tests need no file. */
export const TEST_KEYRING = parseKeyring('c9a2cf4d5392d048:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 'the tests')

/** The value of an accepted result; throws the refusal. */
export function accepted<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw new Error(`refused: ${result.refusal} ${result.detail ?? ''}`)
}

export async function testGround(): Promise<TestGround> {
  const database = await testDatabase()
  const open = await openStore(database.url, () => undefined)
  const sealer = createSealer(TEST_KEYRING)
  const policy = (): Snapshot | undefined => ground.policy
  const record = createRecordUseCases({
    store: open.store,
    wake: open.wake,
    policy,
    refreshPolicy: async () => void ground.refreshes++,
    cursorKey: Buffer.alloc(32, 3),
    log: () => undefined,
  })
  const app: Ground = {
    ...createPeopleUseCases({ store: open.store, policy }),
    ...createSecretUseCases({ store: open.store, sealer }),
    ...record,
  }
  const callerOf = async (text: string): Promise<Caller> => {
    const caller = await app.authenticate(text, ADDRESS)
    if (caller === undefined) throw new Error('the token is not live')
    return caller
  }
  const code = (await prepareSetup(open)) ?? ''
  const sam = await callerOf(
    accepted(await app.setup({ code, name: 'sam', displayName: 'Sam', password: PASSWORD, sourceAddress: ADDRESS }))
      .text,
  )
  const ground: TestGround = {
    app,
    open,
    database,
    sealer,
    policy: undefined,
    refreshes: 0,
    sam,
    async caller(
      name,
      {
        kind = 'user' as const,
        roles = [],
        sponsor,
      }: { kind?: 'user' | 'service' | 'agent'; roles?: readonly ('admin' | 'auditor')[]; sponsor?: string } = {},
    ) {
      const password = kind === 'user' ? { password: PASSWORD } : {}
      const made = await app.createPerson(sam, {
        name,
        kind,
        roles,
        ...password,
        ...(sponsor === undefined ? {} : { sponsor }),
      })
      if (!made.ok && made.refusal !== 'already_exists') accepted(made)
      if (kind === 'user')
        return callerOf(accepted(await app.signIn({ name, password: PASSWORD, sourceAddress: ADDRESS })).text)
      return callerOf(accepted(await app.issueToken(sam, { kind: 'api', for: name })).text)
    },
    flush: () => record.close(),
    async close() {
      await record.close()
      await open.close()
      await database.close()
    },
  }
  return ground
}
