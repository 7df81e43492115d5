/**
 * The tables in an order in which each stands behind those that it points at.
 * @throws when some point at each other in a circle: such rows could not be loaded one table after the other.
 */
export function tableOrder(
  tables: readonly string[],
  links: readonly { readonly from: string; readonly to: string }[],
): readonly string[] {
  const order: string[] = []
  const left = new Set(tables)
  while (left.size > 0) {
    const free = [...left].filter((table) => !links.some((link) => link.from === table && left.has(link.to)))
    if (free.length === 0) throw new Error(`these tables point at each other: ${[...left].join(', ')}`)
    for (const table of free) left.delete(table)
    order.push(...free)
  }
  return order
}
