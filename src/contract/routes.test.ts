import { expect, it } from 'vitest'
import { z } from 'zod'
import type { Route } from './route.ts'
import { routes } from './routes.ts'

const SECRET = /"(?:password|currentPassword|newPassword|secret|value|code|token)":/i
const bodyOf = (route: Route): string =>
  route.body === undefined ? '' : JSON.stringify(z.toJSONSchema(route.body, { io: 'input' }))

it('no digest is ever kept of a body that may hold a password or a secret', () => {
  const all: readonly (readonly [string, Route])[] = Object.entries(routes)
  const secret = all.filter(([, route]) => SECRET.test(bodyOf(route)))
  expect(secret.map(([id]) => id)).toEqual(
    expect.arrayContaining(['createPerson', 'updatePerson', 'setSecret', 'signIn']),
  )
  expect(secret.filter(([, route]) => route.idempotent === true).map(([id]) => id)).toEqual([])
})
