import type { Presence } from './presence.ts'

/** The message is for the operator. */
export class ReplicasDiffer extends Error {
  override readonly name = 'ReplicasDiffer'
}

/** One that was killed a moment ago still counts as living; then it does not. */
const PATIENCE_MS = 8_000
const LOOK_AGAIN_MS = 500

/**
 * Refuses a gateway whose certificate was made here, while another replica shows one that was made there: clients that
 * took the one as their root would be refused at every second connection. Of two that start at once, the first goes on.
 * @param fingerprint of this one's, when it was made here. Those that the operator gives may differ: an issuer vouches for them.
 * @throws ReplicasDiffer
 */
export async function refuseOtherCertificate(
  presence: Pick<Presence, 'living'>,
  fingerprint: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  for (const until = performance.now() + patienceMs; ;) {
    const [first] = (await presence.living()).flatMap(({ certificate }) => certificate ?? [])
    if (first === undefined || first === fingerprint) return
    if (performance.now() > until)
      throw new ReplicasDiffer(
        `Another replica's gateway shows a certificate that it made itself (SHA-256 ${first}), and this one would show its own. Give all replicas one with --tls-cert and --tls-key, or on one machine the same tls/gateway-tls.pem in their data folders.`,
      )
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}
