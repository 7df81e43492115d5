import { styleText } from 'node:util'

/** What an operator reads when an installation is up. The one-time code stands here and nowhere else. */
export function welcome(at: {
  readonly url: string
  /** Absent where others have that role. */
  readonly gateway?: { readonly host: string; readonly port: number }
  readonly roles: readonly string[]
  readonly setupCode: string | undefined
}): string {
  const bold = (text: string): string => styleText('bold', text, { stream: process.stdout })
  // `hp` looks for a server at its own default address; another one has to be named.
  const login = /^http:\/\/(127\.0\.0\.1|localhost):7400$/.test(at.url) ? 'hp login' : `hp login --server ${at.url}`
  if (!at.roles.includes('api'))
    return `\n  ${bold('Holdpoint')}   ${at.roles.join(', ')}; readiness at ${at.url}/readyz\n${gatewayLines(at.gateway)}\n`
  const first =
    at.setupCode === undefined
      ? `  Sign in with: ${login}`
      : `  ${bold('First administrator')}: ${login}\n  One-time code: ${bold(at.setupCode)}`
  return `
  ${bold('Holdpoint')}   ${at.url}   (API: ${at.url}/docs)

${gatewayLines(at.gateway)}
${first}

`
}

const gatewayLines = (at: { readonly host: string; readonly port: number } | undefined): string =>
  at === undefined
    ? ''
    : `  PostgreSQL gateway on ${at.host}:${at.port}:
    psql "host=${at.host} port=${at.port} dbname=RESOURCE user=YOU"
`
