import type { Aggregates } from '../app/ports/store.ts'

/**
 * The name of this installation's log: the first line of its checkpoints, the same on every replica and for ever. Only
 * when a backup is restored that may lack entries which were signed, what follows is another log and is called so.
 */
export async function ledgerOrigin(store: {
  readonly people: Pick<Aggregates['people'], 'installationKey'>
  readonly restorations: Pick<Aggregates['restorations'], 'log'>
}): Promise<string> {
  const key = await store.people.installationKey('ledger origin')
  const log = await store.restorations.log()
  return `holdpoint/${key.toString('hex', 0, 8)}${log === undefined ? '' : `-${log}`}`
}
