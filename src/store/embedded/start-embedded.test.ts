import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderInUse } from './lock.ts'
import { processesIn, until } from './process.ts'
import { runningUrl, startEmbedded } from './start-embedded.ts'

let dataDir = ''
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdpoint-embedded-'))
})
afterEach(async () => {
  const cluster = join(dataDir, 'postgres')
  expect(await processesIn(cluster).catch(() => [])).toEqual([])
  rmSync(dataDir, { recursive: true, force: true })
})

const quiet = { log: () => undefined }

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  // A server that is killed on purpose ends the connection: the query's own rejection says so.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** Another process that starts the server on the same folder and stays. Resolves once it runs. */
function holdInAnotherProcess(): Promise<{ kill: () => Promise<void>; url: string }> {
  const code = `
    import { startEmbedded } from ${JSON.stringify(new URL('./start-embedded.ts', import.meta.url).href)}
    const server = await startEmbedded({ dataDir: process.argv[1], log: console.error })
    console.log(server.url)
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    const gone = new Promise<void>((end) => child.on('exit', () => end()))
    gone.then(() => reject(new Error('it did not start')), reject)
    child.stdout.once('data', (line: Buffer) =>
      resolve({
        url: line.toString().trim(),
        kill: () => {
          child.kill('SIGKILL')
          return gone
        },
      }),
    )
  })
}

test('keeps its data over a stop, with checksums, UTF-8 and fsync', async () => {
  const first = await startEmbedded({ dataDir, ...quiet })
  await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS n')
  expect(
    await query(
      first.tcpUrl,
      "SELECT current_setting('data_checksums') AS sums, current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding",
    ),
  ).toEqual([{ sums: 'on', fsync: 'on', encoding: 'UTF8' }])
  await first.stop()
  await first.stop()
  const second = await startEmbedded({ dataDir, ...quiet })
  try {
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }])
  } finally {
    await second.stop()
  }
})

test('a wrong password is refused, through the socket too', async () => {
  const server = await startEmbedded({ dataDir, ...quiet })
  try {
    await expect(query(server.url.replace(server.password, 'wrong'), 'SELECT 1')).rejects.toThrow(
      /password authentication failed/,
    )
    await expect(query(server.tcpUrl.replace(server.password, 'wrong'), 'SELECT 1')).rejects.toThrow(
      /password authentication failed/,
    )
  } finally {
    await server.stop()
  }
})

test('a second start on the same folder is refused, in this process and from another one', async () => {
  const other = await holdInAnotherProcess()
  try {
    await expect(startEmbedded({ dataDir, ...quiet })).rejects.toThrow(
      /^Another Holdpoint \(process \d+\) uses the data folder .*--data DIR/,
    )
    expect(await query(other.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
    // Who may read the folder reaches it all the same, as a backup does.
    expect(await query(runningUrl(dataDir) ?? '', 'SELECT 1 AS n')).toEqual([{ n: 1 }])
  } finally {
    await other.kill()
  }
  const server = await startEmbedded({ dataDir, ...quiet })
  try {
    await expect(startEmbedded({ dataDir, ...quiet })).rejects.toBeInstanceOf(FolderInUse)
  } finally {
    await server.stop()
  }
})

test('after kill -9 the orphaned server is ended, and what it acknowledged is there', async () => {
  const other = await holdInAnotherProcess()
  await query(other.url, 'CREATE TABLE acknowledged AS SELECT 1 AS n')
  await other.kill()
  expect(await query(other.url, 'SELECT n FROM acknowledged')).toEqual([{ n: 1 }])
  const said: string[] = []
  const server = await startEmbedded({ dataDir, log: (line) => said.push(line) })
  try {
    expect(said.join()).toMatch(/earlier run left behind/)
    await expect(query(other.url, 'SELECT 1')).rejects.toThrow()
    expect(await query(server.url, 'SELECT n FROM acknowledged')).toEqual([{ n: 1 }])
  } finally {
    await server.stop()
  }
})

test('after kill -9 of everything at once it recovers', async () => {
  const other = await holdInAnotherProcess()
  await query(other.url, 'CREATE TABLE acknowledged AS SELECT 1 AS n')
  const all = await processesIn(join(dataDir, 'postgres'))
  await other.kill()
  for (const pid of all) process.kill(pid, 'SIGKILL')
  const server = await startEmbedded({ dataDir, ...quiet })
  try {
    expect(await query(server.url, 'SELECT n FROM acknowledged')).toEqual([{ n: 1 }])
  } finally {
    await server.stop()
  }
})

test('a server that dies by itself is started again on the same address', async () => {
  const server = await startEmbedded({ dataDir, ...quiet })
  try {
    const first = server.pid()
    process.kill(first, 'SIGKILL')
    const answer = await until(() => query(server.url, 'SELECT 1 AS n').catch(() => undefined), 20_000)
    expect(answer).toEqual([{ n: 1 }])
    expect(server.pid()).not.toBe(first)
  } finally {
    await server.stop()
  }
})

test('a lock file that names an unrelated live process does not keep it from starting, and harms nobody', async () => {
  const first = await startEmbedded({ dataDir, ...quiet })
  await first.stop()
  const bystander = spawn('sleep', ['60'])
  writeFileSync(
    join(dataDir, 'postgres', 'postmaster.pid'),
    `${bystander.pid}\n/proc/self/cwd\n1\n5432\n\n127.0.0.1\n\nready\n`,
  )
  const server = await startEmbedded({ dataDir, ...quiet })
  await server.stop()
  expect(bystander.exitCode).toBeNull()
  expect(bystander.signalCode).toBeNull()
  bystander.kill()
})

test('an initdb that was interrupted is done again', async () => {
  mkdirSync(join(dataDir, 'postgres.new', 'base'), { recursive: true })
  const server = await startEmbedded({ dataDir, ...quiet })
  await server.stop()
  expect(readFileSync(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8').trim()).toBe('18')
})

test('data of another major version is refused with a sentence and left alone', async () => {
  mkdirSync(join(dataDir, 'postgres'), { mode: 0o700 })
  writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '15\n')
  await expect(startEmbedded({ dataDir, ...quiet })).rejects.toThrow(
    /written by PostgreSQL 15; this Holdpoint brings PostgreSQL 18/,
  )
})
