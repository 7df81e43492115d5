import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { PgError } from '../cli/pg-connection.ts'
import { readPolicyFiles } from '../demo/demo-files.ts'
import { until } from '../store/embedded/process.ts'
import { REFUSALS } from '../app/refusals.ts'
import { check, equal, succeeded } from './checks.ts'
import { lastLines } from './child.ts'
import type { Child } from './child.ts'
import type { World } from './world.ts'

/** One promise of Holdpoint. `keep` plays it and throws, saying what was not so, when it is broken. */
export interface Promised {
  readonly name: string
  readonly keep: (world: World) => Promise<void>
}

/** The delete that is held by one promise, and released by a later one. */
export interface Story {
  id: string
  waiting?: Child
}

const HELD = /held (HP-\d+)/
const OLD_CARTS = 'DELETE FROM carts WHERE age_days > 90'
/** How long a window lasts in the tour: long enough for two statements on a busy machine. */
const WINDOW = '6s'

/** In their order: some go on with what an earlier one began. */
export const promises = (story: Story): readonly Promised[] => [
  {
    name: 'an allowed read passes at once, and asks nobody',
    async keep(world) {
      const read = world.psql('ana', 'shop-db', 'SELECT count(*) FROM orders')
      equal('its exit code', await read.ended, 0, read.err())
      check('80000 orders are printed', read.out().includes('80000'), read.out())
      check('nobody was asked', !HELD.test(read.err()), read.err())
    },
  },
  {
    name: 'a delete is held inside psql, and nothing is touched',
    async keep(world) {
      story.waiting = world.psql('ana', 'shop-db', OLD_CARTS)
      story.id = (await story.waiting.says(HELD))[1] ?? ''
      equal('old carts', await world.look('shop', 'SELECT count(*) FROM carts WHERE age_days > 90'), '1204')
    },
  },
  {
    name: 'nobody approves their own request',
    async keep(world) {
      const own = await world.hp('ana', 'review', story.id, '--approve')
      check('it is refused', own.code !== 0 && own.err.includes(REFUSALS.self_review.title), own.err)
      equal('the state of the request', await stateOf(world, story.id), 'pending')
    },
  },
  {
    name: 'another person releases it: it goes on by itself, and runs once',
    async keep(world) {
      succeeded(await world.hp('mia', 'review', story.id, '--approve'))
      equal('the exit code of psql', await story.waiting?.ended, 0, story.waiting?.err())
      const printed = story.waiting?.out() ?? ''
      check('psql prints DELETE 1204', printed.includes('DELETE 1204'), printed)
      equal('carts that are left', await world.look('shop', 'SELECT count(*) FROM carts'), '22876')
    },
  },
  {
    name: "a denial reaches psql in the reviewer's own words",
    async keep(world) {
      const words = 'Vouchers are changed by the campaign job only'
      const waiting = world.psql('ana', 'shop-db', "UPDATE vouchers SET percent = 50 WHERE code = 'WELCOME2'")
      const [, id = ''] = await waiting.says(HELD)
      await world.hp('mia', 'review', id, '--deny', '-m', words)
      check('psql fails', (await waiting.ended) !== 0, waiting.out())
      check('it prints the words', waiting.err().includes(words), waiting.err())
      equal('the voucher', await world.look('shop', "SELECT percent FROM vouchers WHERE code = 'WELCOME2'"), '15')
    },
  },
  {
    name: 'an approval covers its statement once: a changed one is held anew',
    async keep(world) {
      const held = notices()
      const session = await world.session('ana', 'shop-db', { onNotice: held.hear })
      try {
        const set = (percent: number): string => `UPDATE vouchers SET percent = ${percent} WHERE code = 'WELCOME3'`
        const first = session.query(set(10))
        succeeded(await world.hp('mia', 'review', await held.next(), '--approve'))
        equal('the approved statement', (await first)[0]?.tag, 'UPDATE 1')
        for (const percent of [90, 10]) {
          const again = refusal(session.query(set(percent)))
          await held.next()
          await session.cancel()
          equal('the next statement', (await again)?.code, '57014')
        }
        equal('the voucher', await world.look('shop', "SELECT percent FROM vouchers WHERE code = 'WELCOME3'"), '10')
      } finally {
        await session.close()
      }
    },
  },
  {
    name: 'Ctrl-C withdraws, and nothing reached the database',
    async keep(world) {
      const waiting = world.psql('ana', 'shop-db', 'DELETE FROM carts WHERE id = 1')
      const [, id = ''] = await waiting.says(HELD)
      waiting.interrupt()
      check('psql fails', (await waiting.ended) !== 0, waiting.out())
      check('it says so', /withdrawn/.test(waiting.err()), waiting.err())
      equal('its state', await decided(world, id), 'withdrawn')
      equal('the cart', await world.look('shop', 'SELECT count(*) FROM carts WHERE id = 1'), '1')
    },
  },
  {
    name: 'a window carries two statements; at its end the session is cut and the backend is gone',
    async keep(world) {
      const id = await window(world, 'update', WINDOW)
      const held = notices()
      const session = await world.session('ana', 'shop-db', { onNotice: held.hear })
      try {
        succeeded(await world.hp('mia', 'review', id, '--approve'))
        for (const n of [4, 5]) {
          const [done] = await session.query(
            `UPDATE vouchers SET used = used + 1 WHERE code = 'WELCOME${n}' /* in a window */`,
          )
          equal('a statement in the window', done?.tag, 'UPDATE 1')
        }
        equal('statements that were held', held.count(), 0)
        const backend = "SELECT pid FROM pg_stat_activity WHERE usename = 'shop_gate' AND query LIKE '%in a window%'"
        const pid = await world.look('shop', backend)
        check('the backend is there while the window is', typeof pid === 'string', String(pid))
        check('the session ends with words', (await session.closed) !== undefined, 'it ended without any')
        const gone = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${pid}`
        check(
          'the backend is gone',
          (await until(async () => (await world.look('shop', gone)) === '0' || undefined, 1_000)) === true,
          `backend ${pid} lives`,
        )
      } finally {
        await session.close()
      }
    },
  },
  {
    name: 'a profile that changes after the approval voids it',
    async keep(world) {
      const id = await window(world, 'delete', '10m')
      succeeded(await world.hp('mia', 'review', id, '--approve'))
      await applyResource(world, (text) => text.replace('classification: confidential', 'classification: restricted'))

      const held = notices()
      const session = await world.session('ana', 'shop-db', { onNotice: held.hear })
      try {
        await session.query("SET holdpoint.reason = 'a cart that hangs'")
        const waiting = refusal(session.query('DELETE FROM carts WHERE id = 2'))
        await held.next()
        await session.cancel()
        equal('the statement', (await waiting)?.code, '57014')
        equal('the cart', await world.look('shop', 'SELECT count(*) FROM carts WHERE id = 2'), '1')
      } finally {
        await session.close()
      }
    },
  },
  {
    name: 'kill -9 of everything during a hold: nothing ran, the request is withdrawn, the next start works',
    async keep(world) {
      const waiting = world.psql('ana', 'analytics-db', "DELETE FROM page_views WHERE page = '/p/7'")
      const [, id = ''] = await waiting.says(HELD)
      const before = await world.look('analytics', 'SELECT count(*) FROM page_views')
      await world.crash()
      check('psql fails', (await waiting.ended) !== 0, waiting.out())
      await world.start()
      equal('its state', await decided(world, id), 'withdrawn')
      equal('page views', await world.look('analytics', 'SELECT count(*) FROM page_views'), before)
      const read = world.psql('ana', 'analytics-db', 'SELECT count(*) FROM page_views')
      equal('a read after it', await read.ended, 0, read.err())
    },
  },
]

const Request = z.object({ request: z.object({ id: z.string(), state: z.string() }) })
const parse = (text: string): z.output<typeof Request>['request'] => Request.parse(JSON.parse(text)).request

/** How a request stands, waiting for as long as it is undecided. */
async function decided(world: World, id: string): Promise<string> {
  return parse((await world.hp('ana', '--json', 'wait', id, '--timeout', '20s')).out).state
}
async function stateOf(world: World, id: string): Promise<string> {
  return parse((await world.hp('ana', '--json', 'wait', id, '--timeout', '1ms')).out).state
}

/** Ana asks for a window on the shop; nobody has answered yet. */
async function window(world: World, verb: 'update' | 'delete', length: string): Promise<string> {
  const verbs = verb === 'update' ? 'write' : 'delete'
  const asked = await world.hp(
    'ana',
    '--json',
    'request',
    'shop-db',
    '--verb',
    verbs,
    '--for',
    length,
    '--reason',
    'the tour',
  )
  equal('the exit code of hp request', asked.code, 75, asked.err)
  return parse(asked.out).id
}

/** Sam changes the shop's profile, and Lee agrees. */
async function applyResource(world: World, change: (text: string) => string): Promise<void> {
  const folder = path.join(world.folder, 'change')
  await mkdir(folder, { recursive: true })
  const port = Number(await readFile(path.join(world.folder, 'data', 'demo', 'target.port'), 'utf8'))
  const file = (await readPolicyFiles(port)).find(({ path: name }) => name.endsWith('/resources.yaml'))
  if (file === undefined) throw new Error('the demo has no resources')
  await writeFile(path.join(folder, 'resources.yaml'), change(file.text))
  const applied = await world.hp('sam', 'apply', '-f', folder, '--reason', 'the tour')
  const [id] = /HP-\d+/.exec(applied.out + applied.err) ?? []
  if (id === undefined) throw new Error(`changing a profile asked nobody: ${lastLines(applied.out + applied.err)}`)
  succeeded(await world.hp('lee', 'review', id, '--approve'))
}

/** Requests that notices in one session tell of, in their order. */
function notices(): { hear: (notice: { message: string }) => void; next: () => Promise<string>; count: () => number } {
  const seen: string[] = []
  let read = 0
  let tell: (() => void) | undefined
  return {
    hear({ message }) {
      const id = HELD.exec(message)?.[1]
      if (id === undefined) return
      seen.push(id)
      tell?.()
    },
    async next() {
      while (seen.length <= read) await new Promise<void>((resolve) => (tell = resolve))
      return seen[read++] ?? ''
    },
    count: () => seen.length,
  }
}

/** The error a query ends with; undefined when it succeeds. */
const refusal = (query: Promise<unknown>): Promise<PgError | undefined> =>
  query.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof PgError) return error
      throw error
    },
  )
