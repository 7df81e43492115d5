import { lookup as resolve } from 'node:dns'
import { request as plain } from 'node:http'
import type { RequestOptions } from 'node:http'
import { request as encrypted } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import type { CheckWebhookUrl, SendWebhook } from '../../app/ports/webhooks.ts'
import { isPublic } from './addresses.ts'

interface WebhookOptions {
  /** Hosts, as `name` or `name:port`, that may be any address and may be spoken to without TLS. */
  readonly allowed: readonly string[]
  /** Longest for one attempt, in ms; 10 s when left out. */
  readonly withinMs?: number
}

const WITHIN_MS = 10_000
const LONGEST_URL = 2_000
/** A receiver has nothing to say that would need more. */
const LONGEST_ANSWER = 65_536

const isAllowed = ({ allowed }: WebhookOptions, url: URL): boolean =>
  allowed.includes(url.host) || allowed.includes(url.hostname)
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')

/** See CheckWebhookUrl. What a name resolves to is looked at when it is sent, each time. */
export const checkWebhookUrl =
  (options: WebhookOptions): CheckWebhookUrl =>
  (text) => {
    if (text.length > LONGEST_URL || !URL.canParse(text)) return 'this is not the address of a webhook'
    const url = new URL(text)
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'a webhook is called by https'
    if (url.username !== '' || url.password !== '') return 'an address with a password in it is not taken'
    if (isAllowed(options, url)) return undefined
    if (url.protocol === 'http:') return 'without TLS only hosts are called that HP_WEBHOOK_ALLOW names'
    const host = bare(url.hostname)
    if (isIP(host) !== 0 && !isPublic(host)) return NOT_PUBLIC
    return undefined
  }

const NOT_PUBLIC = 'its address is not a public one, and HP_WEBHOOK_ALLOW does not name the host'

/**
 * Sends one POST. The name is resolved once, and what it resolved to is what is connected to: a name that says
 * something else a moment later changes nothing. Redirects are not followed, and no proxy is asked.
 */
export const createWebhookSender =
  (options: WebhookOptions): SendWebhook =>
  ({ url: text, headers, body, signal }) =>
    new Promise((answer, reject) => {
      const wrong = checkWebhookUrl(options)(text)
      if (wrong !== undefined) {
        reject(new Error(wrong))
        return
      }
      const url = new URL(text)
      const until = AbortSignal.any([signal, AbortSignal.timeout(options.withinMs ?? WITHIN_MS)])
      const how: RequestOptions = {
        method: 'POST',
        headers: { ...headers, 'user-agent': 'holdpoint', 'content-length': Buffer.byteLength(body) },
        signal: until,
        lookup: isAllowed(options, url) ? resolve : lookupPublic,
        agent: false,
      }
      const request = url.protocol === 'https:' ? encrypted(url, how) : plain(url, how)
      request.on('response', (response) => {
        let length = 0
        const status = response.statusCode ?? 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > LONGEST_ANSWER) response.destroy()
        })
        response.on('close', () => answer({ status }))
        response.on('error', () => undefined)
      })
      request.on('error', (error: NodeJS.ErrnoException) => reject(new Error(wordsOf(error, until))))
      request.end(body)
    })

/** One line, without addresses of the inside. */
function wordsOf(error: NodeJS.ErrnoException, until: AbortSignal): string {
  if (until.aborted) return 'the receiver did not answer in time'
  if (error.message === NOT_PUBLIC) return NOT_PUBLIC
  return `the receiver could not be reached${error.code === undefined ? '' : ` (${error.code})`}`
}

/** All addresses of a name must be public ones: of several, the attacker would choose. */
const lookupPublic: LookupFunction = (host, options, callback) => {
  resolve(host, { ...options, all: true }, (error, found) => {
    if (error !== null) callback(error, [])
    else if (found.length === 0 || !found.every(({ address }) => isPublic(address))) callback(new Error(NOT_PUBLIC), [])
    else if (options.all === true) callback(null, found)
    else callback(null, found[0]?.address ?? '', found[0]?.family)
  })
}
