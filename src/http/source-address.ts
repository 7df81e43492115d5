import { BlockList, isIP } from 'node:net'

const plain = (address: string): string =>
  address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address

/**
 * Who really calls. `X-Forwarded-For` counts only where the peer is a proxy that the operator named, read from
 * the right up to the first address that is not one; everything left of that is the client's own invention.
 * @param proxies addresses or CIDR ranges.
 * @throws TypeError for a proxy that is neither.
 */
export function createSourceAddress(
  proxies: readonly string[],
): (peer: string | undefined, forwarded: string | undefined) => string {
  const trusted = new BlockList()
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const version = isIP(address)
    if (version === 0) throw new TypeError(`'${proxy}' is not an address or a CIDR range`)
    const family = version === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  const isTrusted = (address: string): boolean => {
    const version = isIP(address)
    return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }

  return (peer, forwarded) => {
    let address = plain(peer ?? 'unknown')
    const hops = forwarded === undefined ? [] : forwarded.split(',').map((hop) => plain(hop.trim()))
    while (isTrusted(address)) {
      const before = hops.pop()
      if (before === undefined || isIP(before) === 0) break
      address = before
    }
    return address
  }
}
