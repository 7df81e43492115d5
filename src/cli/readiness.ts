import { z } from 'zod'
import { Unreachable } from '../contract/client.ts'

const Body = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
})
export type Readiness = z.output<typeof Body>

/** What `/readyz` says; it needs no token and gets none. @throws Unreachable */
export async function readReadiness(origin: string): Promise<Readiness> {
  try {
    const response = await fetch(new URL('/readyz', origin), { redirect: 'error', signal: AbortSignal.timeout(5_000) })
    return Body.parse(await response.json())
  } catch (cause) {
    throw new Unreachable(`${origin} does not answer`, { cause })
  }
}
