import { DatabaseError } from 'pg'
import { NotTheRightTarget } from './control-client.ts'

const SOCKET: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ENOTFOUND: 'its name cannot be resolved',
  EAI_AGAIN: 'its name cannot be resolved at the moment',
  ETIMEDOUT: 'it did not answer in time',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ECONNRESET: 'it closed the connection',
  ENOENT: 'there is no such socket',
  EACCES: 'the socket may not be opened',
}
const STATE: Readonly<Record<string, string>> = {
  '28P01': 'it refused the password',
  '28000': 'it refused the sign-in (pg_hba.conf or the role)',
  '3D000': 'it has no such database',
  '53300': 'it has no connection left',
  '57P03': 'it is starting up or shutting down',
}

/** Why a target cannot be used, as the end of a sentence. Never the server's own text, which may repeat what was sent. */
export function whyNot(error: unknown): string {
  if (error instanceof DatabaseError)
    return STATE[error.code ?? ''] ?? `it answered with an error (${error.code ?? 'no code'})`
  if (error instanceof NotTheRightTarget) return error.message
  if (error instanceof AggregateError && error.errors.length > 0) return whyNot(error.errors[0])
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
    if (SOCKET[code] !== undefined) return SOCKET[code]
    if (/does not support SSL/.test(error.message)) return 'it does not offer TLS'
    if (/timeout/i.test(error.message)) return 'it did not answer in time'
    if (/password must be a string|no password|SASL/.test(error.message))
      return 'it asks for a password that was not given, or signs in by a way that is not known'
    if (/certificate|self.signed|CERT_|altname/i.test(`${code} ${error.message}`))
      return 'its certificate is not trusted'
    if (/terminated unexpectedly/.test(error.message)) return 'it closed the connection'
    if (code !== '') return `the connection failed (${code})`
  }
  return 'the connection failed'
}
