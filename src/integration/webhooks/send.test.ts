import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { isPublic } from './addresses.ts'
import { checkWebhookUrl, createWebhookSender } from './send.ts'

/* Abuse case 98: a webhook to the inside, by address, by name, by redirect, by a name that changes its mind. */

it.each([
  '127.0.0.1',
  '127.255.0.1',
  '0.0.0.0',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '192.0.2.7',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  'fe80::1',
  'fe80::1%eth0',
  'fd00:ec2::254',
  'fc00::1',
  'ff02::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '2001::1',
  'localhost',
  '',
  '1.1.1',
  '0x7f.1',
])('%s is not the public’s', (address) => {
  expect(isPublic(address)).toBe(false)
})

it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700:4700::1111', '2a00:1450::1'])(
  '%s is',
  (address) => {
    expect(isPublic(address)).toBe(true)
  },
)

const check = checkWebhookUrl({ allowed: ['siem.internal', '127.0.0.1:9000'] })
it.each([
  'http://hooks.example.com/',
  'https://user:pass@hooks.example.com/',
  'https://127.0.0.1/',
  // What a URL makes of other spellings of the same address.
  'https://2130706433/',
  'https://0x7f.0.0.1/',
  'https://0177.0.0.1/',
  'https://127.1/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://169.254.169.254/latest/meta-data/',
  'http://127.0.0.1:9001/',
  'ftp://hooks.example.com/',
  'file:///etc/passwd',
  'gopher://hooks.example.com/',
  'hooks.example.com',
  '//hooks.example.com/',
  `https://hooks.example.com/${'a'.repeat(2_000)}`,
  '',
])('%s is refused before anything is sent', (url) => {
  expect(check(url)).toBeTypeOf('string')
})
it.each(['https://hooks.example.com/x', 'https://8.8.8.8/', 'http://siem.internal:8080/', 'http://127.0.0.1:9000/'])(
  '%s may be called',
  (url) => {
    expect(check(url)).toBeUndefined()
  },
)

async function receiver(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, host: `127.0.0.1:${port}`, asked: () => asked }
}
const message = (url: string) => ({ url, headers: { 'x-test': '1' }, body: 'ü', signal: new AbortController().signal })

it('sends what it was given, and tells the status', async () => {
  let seen = ''
  const { host } = await receiver((request, response) => {
    request.setEncoding('utf8').on('data', (chunk: string) => (seen += chunk))
    request.on('end', () => {
      seen += ` ${request.method} ${request.url} ${String(request.headers['x-test'])} ${String(request.headers['content-length'])}`
      response.writeHead(204).end()
    })
  })
  expect(await createWebhookSender({ allowed: [host] })(message(`http://${host}/in?a=1`))).toEqual({ status: 204 })
  expect(seen).toBe('ü POST /in?a=1 1 2')
})

it('follows no redirect', async () => {
  const inside = await receiver((_, response) => response.end())
  const { host } = await receiver((_, response) =>
    response.writeHead(307, { location: `http://${inside.host}/` }).end(),
  )
  const allowed = [host, inside.host]
  expect(await createWebhookSender({ allowed })(message(`http://${host}/`))).toEqual({ status: 307 })
  expect(inside.asked()).toBe(0)
})

it('looks at what a name resolves to when it connects, whatever the name said before', async () => {
  const { port, asked } = await receiver((_, response) => response.end())
  const send = createWebhookSender({ allowed: [] })
  // A name of the inside is fine as a text, as a name whose answer has changed since would be.
  expect(checkWebhookUrl({ allowed: [] })(`https://localhost:${port}/`)).toBeUndefined()
  await expect(send(message(`https://localhost:${port}/`))).rejects.toThrow('not a public one')
  await expect(send(message(`https://127.0.0.1:${port}/`))).rejects.toThrow('not a public one')
  expect(asked()).toBe(0)
})

it('a host that is allowed by its port is not allowed by another', async () => {
  const { host, asked } = await receiver((_, response) => response.end())
  await expect(createWebhookSender({ allowed: ['127.0.0.1:1'] })(message(`http://${host}/`))).rejects.toThrow()
  expect(asked()).toBe(0)
})

it('a receiver that says nothing, or too much, keeps nobody', async () => {
  const silent = await receiver(() => undefined)
  const quick = { allowed: [silent.host], withinMs: 50 }
  await expect(createWebhookSender(quick)(message(`http://${silent.host}/`))).rejects.toThrow('did not answer in time')
  const endless = await receiver((_, response) => {
    const write = (): void =>
      void response.write(Buffer.alloc(65_536), () => (response.destroyed ? undefined : write()))
    write()
  })
  expect(await createWebhookSender({ allowed: [endless.host] })(message(`http://${endless.host}/`))).toEqual({
    status: 200,
  })
})

it('says what went wrong without what was sent', async () => {
  const { host } = await receiver((request) => request.socket.destroy())
  const failed = createWebhookSender({ allowed: [host] })(message(`http://${host}/token-in-path`))
  await expect(failed).rejects.toThrow(/^the receiver could not be reached \(ECONNRESET\)$/)
})
