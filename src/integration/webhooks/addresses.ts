import { BlockList, isIP } from 'node:net'

/**
 * Addresses that are not the public's: loopback, private, link-local (the metadata services of clouds among them),
 * shared, documentation, multicast and reserved ones, and what only wraps one of these (RFC 6890 and its registries).
 */
const FORBIDDEN: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  // Only 2000::/3 is the public's; what of it wraps an IPv4 address, or is somebody's tunnel, is not.
  ['::', 3, 'ipv6'],
  ['4000::', 2, 'ipv6'],
  ['8000::', 1, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
]

// Apart from each other: in one list an IPv4 address is looked for among the IPv6 ones, too, as `::ffff:...`.
const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
for (const [net, prefix, family] of FORBIDDEN) lists[family].addSubnet(net, prefix, family)

/** False for what is not an address at all. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 0 || address.includes('%')) return false
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  return !lists[kind].check(address, kind)
}
