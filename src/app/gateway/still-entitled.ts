import type { Instant } from '../../domain/time.ts'
import type { GatewayDeps } from './deps.ts'

/**
 * The answer, unless too long has passed since it was true: this process may have been stopped meanwhile (SIGSTOP, a
 * machine that froze), others may have taken it for dead, and the time that was granted may be up. Asked last, with no
 * await between it and the bytes.
 * @throws then. What was started and not sent is told as failed, if nobody has called it unknown before.
 */
export function stillEntitled<T extends { readonly expiresAt: Instant }>(
  deps: Pick<GatewayDeps, 'replica' | 'clock'>,
  answer: T,
): T {
  deps.replica.id()
  if (deps.clock.now() >= answer.expiresAt) throw new Error('the time that was granted is up')
  return answer
}
