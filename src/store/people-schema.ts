import type { GeneratedAlways } from 'kysely'

export interface PeopleTables {
  readonly installation: InstallationTable
  readonly principal: PrincipalTable
  readonly token: TokenTable
  readonly throttle: { readonly bucket: string; readonly full_at: number }
  readonly secret: SecretTable
  readonly idempotency: IdempotencyTable
}

interface InstallationTable {
  readonly one: GeneratedAlways<boolean>
  readonly secret: Buffer
  readonly setup_code: Buffer | null
}

interface PrincipalTable {
  readonly name: string
  readonly kind: 'user' | 'service' | 'agent'
  readonly display_name: string
  readonly roles: string[]
  readonly sponsor: string | null
  readonly disabled: boolean
  readonly password_hash: string | null
  readonly gateway_salt: Buffer
  readonly created_at: number
}

interface TokenTable {
  readonly id: string
  readonly principal: string
  readonly kind: 'sign_in' | 'api' | 'gateway'
  readonly hash: Buffer
  readonly scopes: string[]
  readonly label: string
  readonly created_at: number
  readonly expires_at: number
  readonly last_used_at: number | null
  readonly revoked_at: number | null
  readonly stored_key: Buffer | null
  readonly server_key: Buffer | null
}

interface SecretTable {
  readonly name: string
  readonly key_id: string
  readonly sealed: Buffer
  readonly updated_at: number
  readonly updated_by: string
}

interface IdempotencyTable {
  readonly principal: string
  readonly key: string
  readonly digest: string
  readonly made_at: number
  readonly busy_until: number | null
  readonly answer: unknown
}
