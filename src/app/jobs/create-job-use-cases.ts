import type { App, Caller } from '../app.ts'
import type { JobBoard } from '../ports/jobs.ts'
import type { Store } from '../ports/store.ts'
import { done, refuse } from '../result.ts'

export interface JobDeps {
  readonly store: Store
  readonly jobs: JobBoard
}

const MOST = 200
const USUAL = 50
const isAdmin = ({ principal, scopes }: Caller): boolean => principal.roles.includes('admin') && scopes.includes('all')
const notPermitted = () => refuse('not_permitted', 'only administrators see what waits to be done')

/** The part of the App that shows what is done later, and has the dead letters of it tried again. */
export const createJobUseCases = ({ store, jobs }: JobDeps): Pick<App, 'listJobs' | 'retryJob'> => ({
  async listJobs(caller, { limit = USUAL, ...filter }) {
    if (!isAdmin(caller)) return notPermitted()
    if (!Number.isSafeInteger(limit) || limit < 1) return refuse('invalid_input', 'the limit must be a whole number')
    return done(await jobs.list({ ...filter, limit: Math.min(limit, MOST) }))
  },
  async retryJob(caller, id) {
    if (!isAdmin(caller)) return notPermitted()
    const found = await jobs.find(id)
    if (found === undefined) return refuse('not_found')
    if (!(await jobs.retry(found.id))) return refuse('not_failed', `it is ${found.state}`)
    await store.transaction((tx) =>
      tx.record.append({
        kind: 'job.retried',
        subject: `job/${found.id}`,
        actor: caller.principal.id,
        body: { job: found.id, queue: found.queue, about: found.about },
      }),
    )
    return done((await jobs.find(found.id)) ?? found)
  },
})
