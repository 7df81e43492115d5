import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { approve, connectClient, requestsWorld, until, value } from '../support/requests-world.ts'
import type { RequestsWorld } from '../support/requests-world.ts'

let world: RequestsWorld
beforeEach(async () => {
  world = await requestsWorld()
})
afterEach(async () => {
  world.line.restore()
  await world.close()
})

const sessions = () =>
  world.query<{ state: string; why: string | null }>('SELECT state, why FROM session ORDER BY number')
const states = () => world.query<{ state: string }>('SELECT state FROM access_request ORDER BY number')
const executions = () => world.query<{ state: string }>('SELECT state FROM execution ORDER BY request')

describe('while the store is away', () => {
  it('what ends is told as soon as it is back: the run as it went, the wait as withdrawn, the session as closed', async () => {
    const process = await world.startProcess()
    const running = await connectClient(world, process, 'ana')
    const waiting = await connectClient(world, process, 'ana')
    const input = running.input('DELETE FROM carts')
    const { request } = await process.gateway.hold(input)
    value(await approve(world, 'mia', value(await world.app.getRequest(world.caller('mia'), request))))
    expect((await process.gateway.start(request, input)).kind).toBe('go')
    const held = await process.gateway.hold(waiting.input('DELETE FROM carts WHERE id = 2'))

    world.line.down()
    // The first to fail says so; the rest stand behind it.
    await expect(process.gateway.finish(request, { outcome: 'succeeded', rows: 7 })).rejects.toThrow()
    await process.gateway.withdraw(held.request, 'the client cancelled')
    await process.gateway.closeSession(running.session, 'client_left')
    world.line.restore()

    await until(async () => (await sessions())[0]?.state === 'closed', 'the end of the session')
    expect(await sessions()).toEqual([
      { state: 'closed', why: 'client_left' },
      { state: 'open', why: null },
    ])
    expect(await executions()).toEqual([{ state: 'succeeded' }])
    expect(await states()).toEqual([{ state: 'approved' }, { state: 'withdrawn' }])
    await until(
      async () => (await world.query("SELECT FROM access_grant WHERE state <> 'ended'")).length === 0,
      'the end of the grant',
    )
  })

  it('a process that stops tells what it still can', async () => {
    const process = await world.startProcess()
    const { session } = await connectClient(world, process, 'ana')
    world.line.down()
    await expect(process.gateway.closeSession(session, 'client_left')).rejects.toThrow()
    world.line.restore()
    await process.stop()
    expect(await sessions()).toEqual([{ state: 'closed', why: 'client_left' }])
  })
})

describe('a session whose opening the store took and never confirmed', () => {
  it('is ended by the process that it names, and those that are carried are not', async () => {
    const process = await world.startProcess()
    await connectClient(world, process, 'ana')
    // As another process would have written it, had it been this one and lost the answer.
    const other = await world.startProcess()
    const lost = await connectClient(world, other, 'ana')
    await world.query("UPDATE session SET replica = $1 WHERE 'S-' || number = $2", [process.replica.id(), lost.session])
    await until(async () => (await sessions())[1]?.state === 'closed', 'the end of the stray')
    expect(await sessions()).toEqual([
      { state: 'open', why: null },
      { state: 'closed', why: 'failed' },
    ])
    expect([...process.faults, ...other.faults]).toEqual([])
  })

  it('an opening that fails leaves nothing open', async () => {
    const process = await world.startProcess()
    world.line.down()
    await expect(connectClient(world, process, 'ana')).rejects.toThrow()
    world.line.restore()
    await until(async () => {
      try {
        await connectClient(world, process, 'ana')
        return true
      } catch {
        return false
      }
    })
    expect((await sessions()).filter((session) => session.state === 'open')).toHaveLength(1)
  })
})
