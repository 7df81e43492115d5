import { existsSync } from 'node:fs'
import path from 'node:path'
import type { App } from '../app/app.ts'
import { writePrivateFile } from '../cli/private-file.ts'
import { stateDir } from '../cli/settings.ts'
import type { Embedded } from '../store/embedded/start-embedded.ts'
import { banner } from './banner.ts'
import { DEFAULT } from './cast.ts'
import { freshPasswords } from './databases.ts'
import { readPolicyFiles } from './demo-files.ts'
import { firstAdministrator, giveRoles, leaveTokens, makePeople, must, tokenFile } from './people.ts'

export interface DemoInput {
  readonly app: App
  /** What `startDemoTarget` answered. */
  readonly target: Pick<Embedded, 'url' | 'port'>
  readonly dataDir: string
  /** Of the API, on loopback. */
  readonly url: string
  readonly gatewayPort: number
  /** The one-time code for the first administrator; asked for only while the installation has none. */
  readonly setupCode: () => string
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Brings the demo's world into an installation: people with tokens in files of their own, sealed passwords,
 * documents. Says where they are in `demo.json`, so that `hp --as mia` finds them. Safe to repeat: what somebody
 * changed since the first start stays as it is. Answers what to print.
 */
export async function startDemo(input: DemoInput): Promise<string> {
  const { app, target } = input
  const folder = path.join(input.dataDir, 'demo', 'people')
  const seeded = path.join(input.dataDir, 'demo', 'seeded')
  const administrator = await firstAdministrator(app, folder, input.setupCode)

  const secrets = must('list secrets', await app.listSecrets(administrator))
  for (const { secret, password } of await freshPasswords(target, new Set(secrets.map(({ name }) => name)))) {
    must('seal a password', await app.setSecret(administrator, secret, password))
  }
  if (!existsSync(seeded)) {
    await makePeople(app, administrator, folder)
    const files = await readPolicyFiles(target.port)
    const applied = must('apply its documents', await app.applyDocuments(administrator, files, { prune: false }))
    if (applied.kind === 'held') throw new Error('the demo could not apply its documents: somebody must agree to them')
    // The second administrator comes last: from here on nobody changes policy alone.
    await giveRoles(app, administrator)
    writePrivateFile(seeded, '')
  }
  const people = await leaveTokens(app, administrator, folder)
  writePrivateFile(
    demoFile(input.env),
    `${JSON.stringify({
      url: input.url,
      people: Object.fromEntries(people.map((name) => [name, tokenFile(folder, name)])),
      default: DEFAULT,
    })}\n`,
  )
  return banner({ url: input.url, gatewayPort: input.gatewayPort, people })
}

const demoFile = (env: DemoInput['env']): string => env['HP_DEMO_FILE'] || path.join(stateDir(env), 'demo.json')
