/** Denials of callers who proved nothing that one address may add to the record in a minute; the rest is only counted. */
const PER_ADDRESS = 30
const IN_ALL = 300
const MINUTE = 60_000

/**
 * Bounds what strangers may add to the record, or anyone who reaches a port could fill it. Answers whether one more
 * from this address may be listed.
 * @param now milliseconds.
 */
export function createStrangerLimit(now: () => number): (address: string) => boolean {
  let started = now()
  let total = 0
  const counts = new Map<string, number>()
  return (address) => {
    if (now() - started >= MINUTE) {
      started = now()
      total = 0
      counts.clear()
    }
    const count = (counts.get(address) ?? 0) + 1
    if (count > PER_ADDRESS || total >= IN_ALL) return false
    counts.set(address, count)
    total += 1
    return true
  }
}
