import { z } from 'zod'
import { ROLES } from '../domain/principal.ts'
import { Duration, Id, Name, Time } from './scalars.ts'

/** What a token may be used for. `all` is everything that its owner's roles permit. */
export const TOKEN_SCOPES = ['all', 'read', 'request', 'review', 'policy', 'gateway'] as const
export type TokenScope = (typeof TOKEN_SCOPES)[number]

export const KINDS = ['user', 'service', 'agent'] as const

/** Length is judged by the use case, which knows the rule; this bounds what is hashed. */
const Password = z.string().min(1).max(1_024).meta({ format: 'password', writeOnly: true })
const DisplayName = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), 'must not hold control or invisible characters')

export const Person = z
  .object({
    name: z.string(),
    kind: z.enum(KINDS),
    displayName: z.string(),
    roles: z.array(z.enum(ROLES)),
    sponsor: z.string().optional(),
    disabled: z.boolean(),
    /** Absent where the answer does not look them up. */
    teams: z.array(z.string()).optional(),
  })
  .meta({ id: 'Person', description: 'A principal: a user, a service or an agent' })

export const People = z.object({ items: z.array(Person) })

export const PersonInput = z
  .strictObject({
    name: Name,
    kind: z.enum(KINDS).default('user'),
    displayName: DisplayName.optional(),
    roles: z.array(z.enum(ROLES)).max(ROLES.length).default([]),
    /** The user an agent acts for: for an agent, and for nobody else. */
    sponsor: Name.optional(),
    password: Password.optional(),
  })
  .meta({ id: 'PersonInput' })

export const PersonChange = z
  .strictObject({
    displayName: DisplayName.optional(),
    roles: z.array(z.enum(ROLES)).max(ROLES.length).optional(),
    disabled: z.boolean().optional(),
    password: Password.optional(),
    currentPassword: Password.optional().meta({
      description: "Needed to change one's own password; wrong ones are counted as at sign-in",
    }),
  })
  .meta({ id: 'PersonChange' })

export const SetupInput = z
  .strictObject({
    code: z.string().min(1).max(128),
    name: Name,
    displayName: DisplayName.optional(),
    password: Password,
  })
  .meta({ id: 'SetupInput', description: 'Makes the first administrator, with the one-time code from the terminal' })

export const SignInInput = z.strictObject({ name: Name, password: Password }).meta({ id: 'SignInInput' })

export const TokenInfo = z
  .object({
    id: z.string(),
    principal: z.string(),
    kind: z.enum(['sign_in', 'api', 'gateway']),
    scopes: z.array(z.enum(TOKEN_SCOPES)),
    label: z.string(),
    createdAt: Time,
    expiresAt: Time,
    lastUsedAt: Time.optional(),
  })
  .meta({ id: 'TokenInfo' })

export const NewToken = TokenInfo.extend({
  text: z.string().meta({ description: 'Shown this once, kept only as a hash' }),
}).meta({
  id: 'NewToken',
})

export const Tokens = z.object({ items: z.array(TokenInfo) })

export const TokenInput = z
  .strictObject({
    kind: z.enum(['api', 'gateway']),
    scopes: z.array(z.enum(TOKEN_SCOPES)).min(1).max(TOKEN_SCOPES.length).optional(),
    label: z.string().max(100).optional(),
    lifetime: Duration.optional(),
    /** An admin may make one for a service or an agent. */
    for: Name.optional(),
  })
  .meta({ id: 'TokenInput' })

export const Me = z
  .object({ principal: Person, token: z.object({ id: z.string(), scopes: z.array(z.enum(TOKEN_SCOPES)) }) })
  .meta({ id: 'Me' })

export const SecretName = z.object({ name: Name })
export const Secrets = z.object({ items: z.array(z.object({ name: z.string(), updatedAt: Time })) })
export const SecretInput = z
  .strictObject({ value: z.string().min(1).max(65_536).meta({ writeOnly: true }) })
  .meta({ id: 'SecretInput', description: 'Sealed before it is stored; no answer ever holds it' })

export const NameParam = z.object({ name: Name })
export const IdParam = z.object({ id: Id })
