import type { z } from 'zod'
import type { NewToken, TokenInfo } from '../../app/app.ts'
import type * as contract from '../../contract/people.ts'
import type { TeamName } from '../../domain/ids.ts'
import type { Principal } from '../../domain/principal.ts'
import { present, time } from './scalars.ts'

export const personView = (
  person: Principal & { readonly teams?: readonly TeamName[] },
): z.output<typeof contract.Person> =>
  present({
    name: person.id,
    kind: person.kind,
    displayName: person.displayName,
    roles: [...person.roles],
    sponsor: person.sponsor,
    disabled: person.disabled,
    teams: person.teams === undefined ? undefined : [...person.teams],
  })

export const tokenView = (token: TokenInfo): z.output<typeof contract.TokenInfo> =>
  present({
    id: token.id,
    principal: token.principal,
    kind: token.kind,
    scopes: [...token.scopes],
    label: token.label,
    createdAt: time(token.createdAt),
    expiresAt: time(token.expiresAt),
    lastUsedAt: token.lastUsedAt === undefined ? undefined : time(token.lastUsedAt),
  })

export const newTokenView = (token: NewToken): z.output<typeof contract.NewToken> => ({
  ...tokenView(token),
  text: token.text,
})
