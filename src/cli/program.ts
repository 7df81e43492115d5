import { Command, Option } from 'commander'
import type { Cli, CommonOptions } from './cli.ts'

/** One command's work: its arguments and options in one object. Returns the exit code; 0 when nothing. */
export type Run<Input> = (cli: Cli, input: Input) => Promise<number | void>
type Load = () => Promise<{ readonly run: Run<never> }>

/** What stands above the command line and is handed to it. */
export interface Parts {
  readonly start: Run<never>
  readonly tour: Run<never>
  readonly backup: Run<never>
  readonly restore: Run<never>
}

/** A command was chosen: run it with these. */
export type Chosen = (run: Run<never>, input: Readonly<Record<string, unknown>>, common: CommonOptions) => Promise<void>

const COMMON = ['json', 'quiet', 'input', 'server', 'as'] as const

/** Every command there is. Nothing is loaded but this until one is chosen. */
export function defineProgram(parts: Parts, chosen: Chosen): Command {
  const program = new Command('hp')
    .description('A hold point in front of every privileged infrastructure action.')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({
      sortSubcommands: false,
      subcommandTerm: (one) =>
        [
          one.name(),
          ...one.registeredArguments.map((argument) =>
            argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
          ),
        ].join(' '),
    })
  addCommon(program)

  /** Common options may stand before the command or behind it. */
  const act = (command: Command, load: Load, common: readonly (typeof COMMON)[number][] = COMMON): Command => {
    addCommon(command, common)
    return command.action(async () => {
      const above = program.opts<CommonOptions>()
      const own = command.opts<CommonOptions & Record<string, unknown>>()
      const input: Record<string, unknown> = { ...own }
      command.registeredArguments.forEach((argument, i) => {
        input[argument.name()] = (command.processedArgs as unknown[])[i]
      })
      const picked: Record<string, unknown> = { ...above }
      for (const name of common) if (own[name] !== undefined && name !== 'input') picked[name] = own[name]
      picked['input'] = above.input !== false && own.input !== false
      const { run } = await load()
      await chosen(run, input, picked)
    })
  }
  const define = (parent: Command, usage: string, summary: string, load: Load): Command =>
    act(parent.command(usage).description(summary), load)
  const group = (name: string, summary: string): Command => program.command(name).description(summary)

  program.commandsGroup('Use a resource:')
  define(program, 'ls', 'list resources', () => import('./commands/ls.ts'))
  define(
    program,
    'show <resource>',
    'everything known about a resource; or a request, by its number',
    () => import('./commands/show.ts'),
  )
  define(
    program,
    'psql <resource> [args...]',
    'open psql on a resource; what follows goes to psql',
    () => import('./commands/psql.ts'),
  )
    .passThroughOptions()
    .option('--reason <text>', 'told to whoever is asked')
  const connect = define(
    program,
    'connect <resource>',
    'print how to connect with your own client',
    () => import('./commands/connect.ts'),
  )
  define(
    connect,
    'setup <resource>',
    'how to give Holdpoint an account of its own on the target',
    () => import('./commands/connect-setup.ts'),
  )
    .option('--print-sql', 'print the SQL that makes it, for psql')
    .option('--verb <verb...>', 'what it is for: read, write, schema, ... (repeat, or separate by commas)')

  program.commandsGroup('Ask and wait:')
  define(program, 'request <resource>', 'ask for a window of time', () => import('./commands/request.ts'))
    .addOption(
      new Option(
        '--verb <verb...>',
        'what to do: read, write, delete, ... (repeat, or separate by commas)',
      ).makeOptionMandatory(),
    )
    .addOption(new Option('--for <time>', 'how long, from the approval on: 30m, 2h').makeOptionMandatory())
    .option('--credential', 'to be given a credential of your own, where the profile allows it: hp credential ID')
    .option('--reason <text>', 'told to whoever is asked')
    .option('--wait [time]', 'wait for the answer; Ctrl-C withdraws')
  define(program, 'watch', 'follow what happens', () => import('./commands/watch.ts')).option(
    '--resource <name>',
    'only this resource',
  )
  define(program, 'wait <id>', 'wait until a request is decided', () => import('./commands/wait.ts')).option(
    '--timeout <time>',
    'give up after: 10m, 2h',
  )
  define(program, 'withdraw <id>', 'withdraw your request', () => import('./commands/withdraw.ts'))
  define(program, 'retry <id>', 'ask again for what expired or was denied', () => import('./commands/retry.ts'))
  define(program, 'extend <id> <time>', 'ask for more time', () => import('./commands/extend.ts')).option(
    '--reason <text>',
    'told to whoever is asked',
  )
  define(
    program,
    'credential <id>',
    'the credential of a window that was approved with one, once',
    () => import('./commands/credential.ts'),
  )
  define(program, 'done <id>', 'the work is done: end your access now', () => import('./commands/done.ts'))

  program.commandsGroup('Review:')
  define(program, 'inbox', 'what waits for you, and what of yours waits', () => import('./commands/inbox.ts'))
  define(program, 'review <id>', 'look at a request, whole; then approve or deny', () => import('./commands/review.ts'))
    .addOption(new Option('--approve', 'approve exactly what is shown').conflicts('deny'))
    .option('--deny', 'deny, with -m')
    .option('-m, --message <text>', 'words that the requester will read')
    .option('--for <time>', 'approve for a shorter time')
    .option('--rows <n>', 'approve at most so many rows; more roll it back')
    .option('--digest <digest>', 'refuse unless the request has this digest')
  define(
    program,
    'acknowledge <id>',
    'you have looked at what was done otherwise than you approved',
    () => import('./commands/acknowledge.ts'),
  ).option('-m, --message <text>', 'what you saw')
  define(
    program,
    'delegate',
    'somebody answers in your place while you are away',
    () => import('./commands/delegate.ts'),
  )
    .addOption(new Option('--to <name>', 'who answers').conflicts('stop'))
    .addOption(new Option('--until <moment>', 'friday, 18:00, 3d, 2026-11-27').conflicts('stop'))
    .option('--stop', 'you are back')
  define(program, 'revoke <id>', "end somebody's access early", () => import('./commands/revoke.ts')).option(
    '-m, --message <text>',
    'why',
  )
  define(program, 'sessions [id]', 'open sessions; with an id, what ran in it', () => import('./commands/sessions.ts'))
    .option('--all', 'closed ones too')
    .option('--resource <name>', 'only this resource')
    .option('--cut', 'cut the session now')
  const session = group('session', 'one session')
  define(session, 'replay <id>', 'what ran in it, from its beginning', () => import('./commands/session-replay.ts'))
  define(program, 'record', 'the record of everything that changed', () => import('./commands/record.ts'))
    .alias('events')
    .option('--resource <name>', 'only this resource')
    .option('--subject <subject>', 'only this: request/HP-142, account/ana')
    .addOption(new Option('--last <n>', 'the newest so many, 200 at most').conflicts(['limit', 'after']))
    .option('--limit <n>', 'at most so many, the oldest first')
    .option('--after <cursor>', 'go on behind this entry')

  program.commandsGroup('Resources and policy:')
  define(program, 'apply', 'put files in force, all or none', () => import('./commands/apply.ts'))
    .addOption(filesOption())
    .option('--prune', 'remove what the files do not name')
    .option('--base <revision>', 'refuse when another revision is in force')
    .option('--reason <text>', 'told to whoever is asked')
    .option('--wait [time]', 'when a second person must agree, wait for them')
  define(program, 'diff', 'what applying files would change', () => import('./commands/diff.ts'))
    .addOption(filesOption())
    .option('--prune', 'as if applied with --prune')
  const policy = group('policy', 'check, test and explain rules')
  define(
    policy,
    'check',
    'type-check and lint; without -f, what is in force',
    () => import('./commands/policy-check.ts'),
  ).option('-f, --file <path...>', 'files or folders')
  define(
    policy,
    'test',
    'run the policy tests; without -f, those in force',
    () => import('./commands/policy-test.ts'),
  ).option('-f, --file <path...>', 'files or folders')
  act(
    policy.command('explain [id]').description('why a request was held, or what policy would say'),
    () => import('./commands/policy-explain.ts'),
    ['json', 'quiet', 'input', 'server'],
  )
    .option('--as <principal>', 'who would act (to take on somebody of the demo, put --as before the command)')
    .option('--on <resource>', 'on what')
    .option('--sql <text>', 'the statement')
    .option('--verb <verb>', 'instead of a statement')
    .option('--rows <n>', 'as if so many rows were estimated')
    .option('--at <time>', 'at this moment (RFC 3339) instead of now')
    .option('--batch <file>', 'questions as JSON lines, - for standard input; answers as JSON lines')

  program.commandsGroup('Account:')
  define(program, 'login', 'sign in', () => import('./commands/login.ts'))
    .option('--name <name>', 'your name')
    .option('--device', 'sign in on another device (not in this version)')
  define(program, 'logout', 'sign out and forget the token', () => import('./commands/logout.ts'))
  define(program, 'whoami', 'who you are, and where', () => import('./commands/whoami.ts'))
  const token = define(
    program,
    'token',
    'print a short-lived password for the gateway',
    () => import('./commands/token-gateway.ts'),
  ).option('--lifetime <time>', 'how long it is good for: 30m, 8h (at most 12h)')
  const newToken = (parent: Command, name: string, summary: string): Command =>
    define(parent, name, summary, () => import('./commands/token-create.ts'))
      .option('--scope <scope...>', 'all, read, request, review, policy or gateway')
      .option('--label <text>', 'what it is for')
      .option('--lifetime <time>', 'how long it is good for: 8h, 30d')
  newToken(token, 'create', 'make a token for the API')
  define(token, 'ls', 'list your tokens', () => import('./commands/token-ls.ts'))
  define(token, 'revoke <id>', 'revoke a token', () => import('./commands/token-revoke.ts'))

  program.commandsGroup('Proof:')
  const ledger = group('ledger', 'the log that proves what was decided')
  define(
    ledger,
    'verify [dir]',
    "verify the server's ledger, or a copy of it",
    () => import('./commands/ledger-verify.ts'),
  )
    .option('--key <key...>', 'verifier key of the log that you trust (repeat)')
    .option('--witness <key...>', 'verifier key of a witness that must have cosigned (repeat)')
    .option('--checkpoint <file...>', 'a checkpoint that you kept: the log must go on from it (repeat)')
    .option('--at <time>', 'every grant that was due by then must have ended; now, or the newest entry of a copy')
  define(
    ledger,
    'export <dir>',
    'copy the ledger, with the program that verifies it',
    () => import('./commands/ledger-export.ts'),
  ).option('--no-bodies', 'without what the entries say: the leaves and proofs alone')
  define(ledger, 'keys', 'the verifier keys of the log', () => import('./commands/ledger-keys.ts'))
  define(ledger, 'status', 'how far it is, and its witnesses', () => import('./commands/ledger-status.ts'))
  define(
    ledger,
    'erase <index...>',
    'take away what entries say, for good; that they were stays proven',
    () => import('./commands/ledger-erase.ts'),
  ).option('-m, --message <text>', 'why')
  define(
    ledger,
    'witness',
    'watch a log from elsewhere, and cosign what it signs',
    () => import('./commands/ledger-witness.ts'),
  )
    .addOption(new Option('--dir <dir>', 'where it keeps its key and what it saw').makeOptionMandatory())
    .addOption(new Option('--log <key...>', 'verifier key of a log to watch (repeat)').makeOptionMandatory())
    .option('--name <name>', 'its name, the first time: witness.example/w1')
    .addOption(new Option('--listen <address>', 'HOST:PORT').default('127.0.0.1:8791'))

  program.commandsGroup('Administration:')
  const because = (command: Command): Command =>
    command.addOption(new Option('-m, --message <text>', 'why').makeOptionMandatory())
  const leftovers = define(
    program,
    'leftovers',
    'roles on targets that no grant stands for',
    () => import('./commands/leftovers.ts'),
  )
  because(define(leftovers, 'revoke <resource> <role>', 'end it now', () => import('./commands/leftovers-revoke.ts')))
  because(
    define(
      leftovers,
      'adopt <resource> <role>',
      'let it stand for a time, and remove it then',
      () => import('./commands/leftovers-adopt.ts'),
    ),
  ).addOption(new Option('--for <time>', 'how long: 8h, 7d').makeOptionMandatory())
  because(
    define(
      leftovers,
      'ignore <resource> <role>',
      'say why it is as it should be',
      () => import('./commands/leftovers-ignore.ts'),
    ),
  )
  const secret = group('secret', "targets' passwords, sealed in the store")
  define(
    secret,
    'set <name>',
    'seal a value, from standard input or a file',
    () => import('./commands/secret-set.ts'),
  ).option('--file <path>', 'read the value from this file')
  define(secret, 'ls', 'list names', () => import('./commands/secret-ls.ts'))
  define(secret, 'rm <name>', 'remove', () => import('./commands/secret-rm.ts'))
  const webhook = group('webhook', 'who else is told of what happens to requests')
  define(
    webhook,
    'add <name> <url>',
    'tell an endpoint; prints the secret that deliveries are signed with',
    () => import('./commands/webhook-add.ts'),
  ).option('--event <event...>', 'only these: request.opened, request.denied, ...')
  define(webhook, 'ls', 'list webhooks', () => import('./commands/webhook-ls.ts'))
  define(webhook, 'rm <name>', 'tell it nothing more', () => import('./commands/webhook-rm.ts'))
  define(webhook, 'test <name>', 'send an event that says nothing', () => import('./commands/webhook-test.ts'))
  const jobs = define(program, 'jobs', 'what is done later, and what of it failed', () => import('./commands/jobs.ts'))
    .option('--failed', 'dead letters only')
    .option('--webhook <name>', 'only deliveries to this webhook')
    .option('--limit <n>', 'at most so many, the newest first')
  define(jobs, 'retry <id>', 'try a dead letter once more', () => import('./commands/jobs-retry.ts'))
  const admin = group('admin', 'accounts, tokens, backups')
  const user = admin.command('user').description('people, services and agents')
  define(user, 'add <name>', 'make an account', () => import('./commands/admin-user-add.ts'))
    .addOption(new Option('--kind <kind>', 'what it is').choices(['user', 'service', 'agent']).default('user'))
    .option('--display-name <text>', 'as shown to people')
    .option('--role <role...>', 'admin, auditor')
    .option('--sponsor <name>', 'the user an agent acts for')
    .option('--password-stdin', 'read a first password from standard input')
  define(user, 'ls', 'list accounts', () => import('./commands/admin-user-ls.ts'))
  define(
    user,
    'disable <name>',
    'disable an account, cutting its sessions',
    () => import('./commands/admin-user-disable.ts'),
  ).option('--undo', 'enable it again')
  define(
    user,
    'role <name> [roles...]',
    'set the roles; none takes them all away',
    () => import('./commands/admin-user-role.ts'),
  )
  define(
    user,
    'password <name>',
    'set a password, asked for or from standard input; your own takes the current one first',
    () => import('./commands/admin-user-password.ts'),
  )
  newToken(admin, 'token', 'make a token for a service or an agent').addOption(
    new Option('--for <name>', 'whose').makeOptionMandatory(),
  )

  const inside =
    (run: Run<never>): Load =>
    () =>
      Promise.resolve({ run })
  const store = (command: Command): Command =>
    command.option('--data <dir>', 'its data folder').option('--demo', "the demo's")
  store(
    define(admin, 'backup <file>', 'copy the whole store into a new file; the server may run', inside(parts.backup)),
  )
  store(
    define(admin, 'restore [file]', 'put a backup into the store of a server that does not run', inside(parts.restore)),
  )
    .option('--replace', 'lose what is in the store now')
    .option('--in-place', 'no file: the database itself was put back by other means')
    .option('--keep-api-tokens', 'let the API tokens of the backup go on; all others end')

  program.commandsGroup('Server:')
  addStartOptions(define(program, 'start', 'start a server', inside(parts.start)))
  define(program, 'stop', 'stop the server of a data folder', () => import('./commands/stop.ts'))
    .option('--data <dir>', 'its data folder')
    .option('--demo', "the demo's")
  define(program, 'status', 'how the server is', () => import('./commands/status.ts'))
  define(program, 'doctor', 'look for what is wrong here', () => import('./commands/doctor.ts'))
  define(program, 'tour', 'watch every promise being kept, in a world of its own', inside(parts.tour))
  act(program.command('completion <shell>').description('print completions for bash, zsh or fish'), async () => {
    const { completionOf } = await import('./commands/completion.ts')
    return { run: completionOf(program) }
  })
  define(program, 'version', 'print the version', () => import('./commands/version.ts'))
  return program
}

const COMMON_FLAGS = {
  json: ['--json', 'print JSON, stable and versioned'],
  quiet: ['-q, --quiet', 'print data only'],
  input: ['--no-input', 'never ask'],
  server: ['--server <url>', "the server's address"],
  as: ['--as <name>', 'take on somebody of the demo'],
} as const satisfies Record<(typeof COMMON)[number], readonly [string, string]>

const filesOption = (): Option =>
  new Option(
    '-f, --file <path...>',
    'files or folders (*.yaml, *.yml, recursive), - for standard input',
  ).makeOptionMandatory()

function addCommon(command: Command, names: readonly (typeof COMMON)[number][] = COMMON): void {
  command.optionsGroup('Common options:')
  for (const name of names) command.option(COMMON_FLAGS[name][0], COMMON_FLAGS[name][1])
  command.optionsGroup('Options:')
}

function addStartOptions(command: Command): void {
  command
    .option('--data <dir>', 'where everything is kept')
    .option('--listen <address>', 'the API, HOST:PORT')
    .option('--gateway <address>', 'the PostgreSQL gateway, HOST:PORT')
    .option('--role <roles>', 'what this replica does: api, worker, gateway, or some by commas; all of it')
    .option('--gateway-workers <count>', 'processes that carry its sessions; one a core')
    .option('--public-url <url>', 'what links begin with')
    .option('--tls-cert <file>', 'certificate of the gateway')
    .option('--tls-key <file>', 'its key')
    .option('--drain <seconds>', 'how long open transactions may take when it is asked to stop')
    .option('--log-level <level>', 'fatal, error, warn, info, debug or trace')
    .option('--demo', 'with the demo world, on loopback')
}
