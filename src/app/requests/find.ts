import type { Grant } from '../../domain/grant/grant.ts'
import type { GrantId } from '../../domain/ids.ts'
import { parseRequestId } from '../../domain/ids.ts'
import type { AccessRequest } from '../../domain/request/request.ts'
import type { Caller } from '../app.ts'
import type { Tx } from '../ports/store.ts'
import { ownedBy, sees, standing } from './access.ts'
import type { Standing } from './access.ts'
import type { RequestDeps } from './deps.ts'

export interface Found {
  readonly request: AccessRequest
  readonly where: Standing
}

/** The request, locked, and how the caller stands to it. Undefined for what is not there and what may not be seen alike. */
export async function findRequest(
  deps: Pick<RequestDeps, 'policy'>,
  tx: Tx,
  caller: Caller,
  id: string,
): Promise<Found | undefined> {
  const number = parseRequestId(id)
  const request = number && (await tx.requests.lockRequest(number))
  if (request === undefined) return undefined
  const where = standing(caller, request, ownedBy(caller, deps.policy()))
  return sees(where) === 'nothing' ? undefined : { request, where }
}

/** A grant by its own id (`G-7`) or by its request's (`HP-142`); an extension's is the one it extends. */
export async function findGrant(
  deps: Pick<RequestDeps, 'policy'>,
  tx: Tx,
  caller: Caller,
  id: string,
): Promise<(Found & { readonly grant: Grant | undefined }) | undefined> {
  const named = /^g-[1-9][0-9]{0,14}$/i.test(id) ? await tx.requests.findGrant(id.toUpperCase() as GrantId) : undefined
  const found = await findRequest(deps, tx, caller, named?.request ?? id)
  if (found === undefined) return undefined
  const { subject, state } = found.request
  if (subject.kind === 'extension') return { ...found, grant: await tx.requests.findGrant(subject.grant) }
  return { ...found, grant: state === 'approved' ? await tx.requests.findGrant(found.request.grant) : undefined }
}
