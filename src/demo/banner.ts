import { styleText } from 'node:util'
import { CAST, DEFAULT } from './cast.ts'

const bold = (text: string): string => styleText('bold', text, { stream: process.stdout })
const faint = (text: string): string => styleText('gray', text, { stream: process.stdout })

/** What a newcomer reads when the demo is ready: where it is, who there is, one command to try, and how to go on. */
export function banner(demo: {
  readonly url: string
  readonly gatewayPort: number
  readonly people: readonly string[]
}): string {
  const width = Math.max(...CAST.map(({ name }) => name.length))
  const people = CAST.filter(({ name }) => demo.people.includes(name)).map(
    ({ name, who }) => `    ${name.padEnd(width)}  ${faint(who)}`,
  )
  const user = demo.people.includes(DEFAULT) ? DEFAULT : (demo.people[0] ?? DEFAULT)
  return `
  ${bold('Holdpoint demo')}   ${demo.url}   ${faint('(this machine only; Ctrl-C stops it)')}

  ${bold('People')}
${people.join('\n')}

  ${bold('Databases')}
    shop-db       ${faint('a real PostgreSQL: reads pass, writes wait for an owner')}
    payments-db   ${faint('card tokens: every read waits too')}
    analytics-db  ${faint('plain numbers')}
    ledger-db     ${faint('three lines that nobody completed: security is asked')}

  ${bold('Try it')}, in a second terminal, as Ana:
    ./hp psql shop-db -c "DELETE FROM carts WHERE age_days > 90"
  It waits. In a third terminal, as Mia, see what it is and let it go on:
    ./hp --as mia inbox
    ./hp --as mia review HP-1 --approve   ${faint('(the number that the notice shows)')}

  ${faint(`Your own client works too: psql "host=127.0.0.1 port=${demo.gatewayPort} dbname=shop-db user=${user}"`)}
  ${faint('(password: what ./hp token prints). The whole story unattended: ./hp tour')}
`
}
