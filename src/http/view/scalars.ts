import type { Instant } from '../../domain/time.ts'

/** RFC 3339 in UTC. */
export const time = (at: Instant | number): string => new Date(at).toISOString()

/** An object without the keys whose value is undefined, as JSON has it and exact optional types want it. */
export type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}
export const present = <T extends object>(value: T): Present<T> =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>
