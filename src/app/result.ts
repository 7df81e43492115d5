import type { Refusal } from './refusals.ts'

/** A use case's answer: a value, or a refusal that people are told. Faults are exceptions, never values. */
export type Result<T, R extends Refusal = Refusal> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false
      readonly refusal: R
      /** What is true of this case: `expired at 14:32`. One line. */ readonly detail?: string
    }

export const done = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value })
export const refuse = <R extends Refusal>(
  refusal: R,
  detail?: string,
): { readonly ok: false; readonly refusal: R; readonly detail?: string } =>
  detail === undefined ? { ok: false, refusal } : { ok: false, refusal, detail }
