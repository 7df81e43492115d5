import { z } from 'zod'
import { Duration, Name, Time } from './scalars.ts'

/* Roles on targets that no grant stands for. */

const Reason = z.string().min(1).max(500)
const Leftover = z
  .object({
    resource: z.string(),
    role: z.string(),
    comment: z.string().optional(),
    canLogin: z.boolean(),
    until: Time.optional(),
    sessions: z.int(),
    groups: z.array(z.string()),
    firstSeen: Time,
    lastSeen: Time,
    ignored: z.object({ by: z.string(), reason: z.string() }).optional(),
  })
  .meta({ id: 'Leftover', description: 'A role on a target that no grant stands for' })
export const Leftovers = z
  .object({
    items: z.array(Leftover),
    inventories: z.array(z.object({ resource: z.string(), doneAt: Time.optional(), why: z.string().optional() })),
    removing: z.array(z.object({ resource: z.string(), role: z.string(), grant: z.string().optional(), until: Time })),
  })
  .meta({
    id: 'Leftovers',
    description: 'What each target was last seen to have beside live grants; `removing`: ours, and not seen gone yet',
  })
export const LeftoverParam = z.object({ name: Name, role: z.string().min(1).max(63) })
export const LeftoverReason = z.strictObject({ reason: Reason }).meta({ id: 'LeftoverReason' })
export const LeftoverAdoption = z
  .strictObject({ reason: Reason, for: Duration })
  .meta({ id: 'LeftoverAdoption', description: 'It is ours from now on, and removed when this time is up' })
