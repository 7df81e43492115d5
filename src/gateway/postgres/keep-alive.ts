import { encodeParameterStatus } from '../../wire/postgres/encode.ts'

/**
 * Under the read timeouts that people and drivers set (Npgsql's CommandTimeout of 30 s counts anew with every read), and
 * far under what a NAT or a proxy forgets an idle connection after.
 */
export const KEEP_ALIVE_MS = 20_000

/**
 * What a client knows already, and must take at any time ("Asynchronous Operations", 54.2.7): nobody prints it, and
 * it never changes, because no session may turn the parameter off.
 */
const KNOWN = encodeParameterStatus('standard_conforming_strings', 'on')

/** Lets a client that waits hear something every `everyMs`. Only between whole messages. Answers the way to stop. */
export function keepAlive(write: (bytes: Buffer) => void, everyMs: number): () => void {
  const timer = setInterval(() => write(KNOWN), everyMs)
  return () => clearInterval(timer)
}
