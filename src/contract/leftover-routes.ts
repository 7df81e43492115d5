import * as leftovers from './leftovers.ts'
import { route } from './route.ts'

/** Operations about roles on targets that no grant stands for. */
export const leftoverRoutes = {
  listLeftovers: route({
    method: 'GET',
    path: '/v1/leftovers',
    tag: 'Resources',
    summary: 'Roles on targets that no grant stands for',
    description:
      'As last seen; every target is looked at each minute. Nothing here is touched before somebody says so.',
    access: ['manage_accounts'],
    scopes: ['all'],
    status: 200,
    response: leftovers.Leftovers,
  }),
  revokeLeftover: route({
    method: 'POST',
    path: '/v1/resources/{name}/leftovers/{role}/revoke',
    tag: 'Resources',
    summary: 'End a leftover now',
    description:
      'A role of some Holdpoint is removed, with its sessions, and what it owns is handed over; any other loses what only grants should have.',
    access: ['manage_accounts'],
    scopes: ['all'],
    idempotent: true,
    params: leftovers.LeftoverParam,
    body: leftovers.LeftoverReason,
    status: 204,
  }),
  adoptLeftover: route({
    method: 'POST',
    path: '/v1/resources/{name}/leftovers/{role}/adopt',
    tag: 'Resources',
    summary: 'Let a leftover stand for a time, and remove it then',
    access: ['manage_accounts'],
    scopes: ['all'],
    idempotent: true,
    params: leftovers.LeftoverParam,
    body: leftovers.LeftoverAdoption,
    status: 204,
  }),
  ignoreLeftover: route({
    method: 'POST',
    path: '/v1/resources/{name}/leftovers/{role}/ignore',
    tag: 'Resources',
    summary: 'Say why a leftover is as it should be',
    access: ['manage_accounts'],
    scopes: ['all'],
    idempotent: true,
    params: leftovers.LeftoverParam,
    body: leftovers.LeftoverReason,
    status: 204,
  }),
} as const
