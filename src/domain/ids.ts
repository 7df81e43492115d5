/** Branded names and numbers. Parsed once at the edge; never checked again inside. */

declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** A principal's name, as typed by people: `ana`. Lower case, at most 63 characters. */
export type PrincipalId = Brand<string, 'PrincipalId'>
export type TeamName = Brand<string, 'TeamName'>
export type ResourceName = Brand<string, 'ResourceName'>
export type RuleName = Brand<string, 'RuleName'>
/** `HP-142`: the number counts up over the whole installation. */
export type RequestId = Brand<string, 'RequestId'>
export type GrantId = Brand<string, 'GrantId'>
export type SessionId = Brand<string, 'SessionId'>
export type TokenId = Brand<string, 'TokenId'>
/** SHA-256 in lower-case hexadecimal. */
export type Digest = Brand<string, 'Digest'>
/**
 * One number for the whole set of documents in force (resources, rules, teams, tests, settings).
 * Every apply that changes anything makes the next one; none is ever reused.
 */
export type Revision = Brand<number, 'Revision'>

const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/
/** Whether `text` may name a principal, team, resource or rule: ASCII only, so no look-alikes. */
export const isName = (text: string): boolean => NAME.test(text)

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string }

const parseName =
  <T extends string>(what: string) =>
  (text: string): Parsed<T> =>
    isName(text)
      ? { ok: true, value: text as T }
      : {
          ok: false,
          message: `${what} must be 1 to 63 of a-z, 0-9, '.', '_' or '-', starting and ending with a letter or digit`,
        }

export const parsePrincipalId = parseName<PrincipalId>('a principal name')
export const parseResourceName = parseName<ResourceName>('a resource name')

export const requestId = (n: number | bigint | string): RequestId => `HP-${n}` as RequestId
/** `HP-142`, `hp-142` or `142`; undefined for anything else. */
export function parseRequestId(text: string): RequestId | undefined {
  const found = /^(?:HP-)?([1-9][0-9]{0,14})$/i.exec(text)
  return found?.[1] === undefined ? undefined : requestId(found[1])
}
