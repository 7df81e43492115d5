import type { Cli } from './cli.ts'
import { EXIT, Stop } from './exit.ts'
import { oneLine } from './exposed-text.ts'

/** Where the gateway is, and a short-lived password for it. The token is in no argument, log or error. */
export interface GatewayAccess {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly token: string
  /** Revokes the token; an attempt only, since it expires by itself. */
  readonly forget: () => Promise<void>
}

const FORGET_WITHIN = 2_000

export async function openGateway(cli: Cli, label: string): Promise<GatewayAccess> {
  const { client, origin } = await cli.server()
  const { gateway } = await client.call('getInfo', {})
  if (gateway === undefined) throw new Stop(EXIT.failed, `${oneLine(origin)} has no PostgreSQL gateway`)
  const token = await client.call('issueToken', { body: { kind: 'gateway', label } })
  const anywhere = gateway.host === '0.0.0.0' || gateway.host === '::' || gateway.host === ''
  return {
    host: anywhere ? new URL(origin).hostname.replace(/^\[|\]$/g, '') : gateway.host,
    port: gateway.port,
    user: token.principal,
    token: token.text,
    forget: async () => {
      try {
        await client.call('revokeToken', { params: { id: token.id } }, { signal: AbortSignal.timeout(FORGET_WITHIN) })
      } catch {
        // It expires by itself.
      }
    },
  }
}
