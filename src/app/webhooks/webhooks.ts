import { randomBytes, randomUUID } from 'node:crypto'
import { isName } from '../../domain/ids.ts'
import { EVENT_TYPES } from '../../domain/request/event-types.ts'
import type { App, Caller } from '../app.ts'
import type { Sealer } from '../ports/secrets.ts'
import type { Store } from '../ports/store.ts'
import type { CheckWebhookUrl } from '../ports/webhooks.ts'
import { done, refuse } from '../result.ts'

export interface WebhookDeps {
  readonly store: Store
  readonly sealer: Sealer
  readonly checkWebhookUrl: CheckWebhookUrl
}

/** Where the secret of a webhook is sealed: no name of a secret that people set begins so. */
export const secretOf = (name: string): string => `webhook.${name}`

/** As Standard Webhooks asks for: between 24 and 64 random bytes. */
const SECRET_BYTES = 32
const mayManage = ({ principal, scopes }: Caller): boolean =>
  principal.roles.includes('admin') && scopes.includes('all')
const notPermitted = () => refuse('not_permitted', 'webhooks are managed by administrators')

/** The part of the App that is about who else is told. */
export const createWebhookUseCases = ({
  store,
  sealer,
  checkWebhookUrl,
}: WebhookDeps): Pick<App, 'createWebhook' | 'listWebhooks' | 'deleteWebhook' | 'testWebhook'> => ({
  async createWebhook(caller, { name, url, events = EVENT_TYPES }) {
    if (!mayManage(caller)) return notPermitted()
    if (!isName(name)) return refuse('invalid_input', "a webhook's name is 1 to 63 of a-z, 0-9, '.', '_' or '-'")
    const wrong = checkWebhookUrl(url)
    if (wrong !== undefined) return refuse('invalid_input', wrong)
    const types = EVENT_TYPES.filter((type) => events.includes(type))
    if (types.length === 0 || types.length !== new Set(events).size)
      return refuse('invalid_input', 'one of the events is not known')
    const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
    const sealed = await sealer.seal(`secret/${secretOf(name)}`, Buffer.from(secret))
    const by = caller.principal.id
    return store.transaction(async (tx) => {
      const webhook = { name, url, events: types, madeAt: tx.now, madeBy: by }
      if (!(await tx.webhooks.insert(webhook))) return refuse('already_exists')
      await tx.secrets.put(secretOf(name), sealed, by, tx.now)
      await tx.record.append({
        kind: 'webhook.made',
        subject: `webhook/${name}`,
        actor: by,
        body: { name, host: new URL(url).host, events: types },
      })
      return done({ ...webhook, secret })
    })
  },
  async listWebhooks(caller) {
    return mayManage(caller) ? done(await store.webhooks.list()) : notPermitted()
  },
  async deleteWebhook(caller, name) {
    if (!mayManage(caller)) return notPermitted()
    return store.transaction(async (tx) => {
      if (!(await tx.webhooks.delete(name))) return refuse('not_found')
      await tx.secrets.delete(secretOf(name))
      await tx.record.append({
        kind: 'webhook.removed',
        subject: `webhook/${name}`,
        actor: caller.principal.id,
        body: { name },
      })
      return done(undefined)
    })
  },
  async testWebhook(caller, name) {
    if (!mayManage(caller)) return notPermitted()
    return store.transaction(async (tx) => {
      if ((await tx.webhooks.find(name)) === undefined) return refuse('not_found')
      const event = `test_${randomUUID()}`
      const data = { webhook: name, event, type: 'test', at: tx.now, subject: `webhook/${name}`, facts: {} }
      await tx.jobs.enqueue([{ queue: 'delivery', data }])
      return done({ event })
    })
  },
})
