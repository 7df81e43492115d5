import type { PrincipalId, RequestId, ResourceName, Revision } from '../../domain/ids.ts'
import { parseRequestId } from '../../domain/ids.ts'
import { parseDuration } from '../../domain/time.ts'
import type { Millis } from '../../domain/time.ts'

/*
 * From the text that a schema of the contract has accepted to the branded value it stands for. A throw here is a
 * fault: schema and parser disagree.
 */

/** INVARIANT: `Duration` of the contract refines with the same parser. */
export function lengthOf(text: string): Millis {
  const length = parseDuration(text)
  if (length === undefined) throw new Error('a length of time passed the contract and cannot be read')
  return length
}

/** INVARIANT: `RequestIdText` of the contract refines with the same parser. */
export function requestIdOf(text: string): RequestId {
  const id = parseRequestId(text)
  if (id === undefined) throw new Error('a request id passed the contract and cannot be read')
  return id
}

export const resourceOf = (name: string): ResourceName => name as ResourceName
export const principalOf = (name: string): PrincipalId => name as PrincipalId
export const revisionOf = (n: number | string): Revision => Number(n) as Revision
export const limitOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
