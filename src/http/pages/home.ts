import type { Html } from './html.ts'
import { html, Html as Raw } from './html.ts'
import { commands } from './page.ts'

export interface HomeInput {
  readonly demo: boolean
  readonly version: string
  readonly url: string
  readonly setupNeeded: boolean
  readonly ready: boolean
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[]
  readonly gateway: { readonly host: string; readonly port: number } | undefined
}

const TICK = new Raw(
  '<svg viewBox="0 0 16 16" aria-hidden="true"><circle class="disc" cx="8" cy="8" r="7.5"/><path class="cut" d="M4.6 8.3l2.3 2.3 4.5-4.9"/></svg>',
)
const BAR = new Raw(
  '<svg viewBox="0 0 16 16" aria-hidden="true"><path class="disc" d="M5 .7h6L15.3 5v6L11 15.3H5L.7 11V5z"/><path class="cut" d="M4.5 8h7"/></svg>',
)

/** The first page: how the server is, and the next thing to do. Shows nothing that needs a sign-in. */
export const homePage = (input: HomeInput): Html =>
  html`<main>
    <div class="over">
      ${input.ready ? html`<span class="pill ok">${TICK}Ready</span>` : html`<span class="pill no">${BAR}Not ready</span>`}<span
        >version ${input.version}</span
      >
    </div>
    <h1>A hold point in front of every privileged action</h1>
    <p class="lead">
      A statement that needs somebody’s agreement waits inside the client it was typed in, and goes on by itself when
      they agree. This server decides, holds and records. People use it from a terminal.
    </p>
    ${
      !input.ready &&
      html`<h2>Not ready</h2>
        <p>
          Nothing passes until this is well again:
          ${input.checks
            .filter((check) => !check.ok)
            .map((check) => check.name)
            .join(', ')}.
          The log says more.
        </p>`
    }
    ${
      input.setupNeeded
        ? html`<h2>First, an administrator</h2>
            <p>
              There is no account yet. The one-time code is on the terminal where the server was started; the command
              asks for it.
            </p>
            ${commands('In a terminal', [
              { text: `hp login --server ${input.url}`, note: 'makes the first administrator and signs in' },
            ])}`
        : input.demo
          ? html`<h2>Look around</h2>
              <p>Nobody needs to sign in: on this machine, take on anybody of the demo's cast.</p>
              ${commands('In a terminal', [
                { text: './hp psql shop-db -c "DELETE FROM carts WHERE age_days > 90"', note: 'as Ana; it waits' },
                { text: './hp --as mia inbox', note: 'what waits for Mia, who owns the data' },
                { text: './hp --as mia review HP-1', note: 'look, then add --approve; the notice says the number' },
              ])}`
          : html`<h2>Sign in</h2>
              ${commands('In a terminal', [
                { text: `hp login --server ${input.url}`, note: 'asks for name and password' },
                { text: 'hp ls', note: 'what there is' },
                { text: 'hp inbox', note: 'what waits for you' },
              ])}`
    }
    ${
      input.gateway !== undefined &&
      html`<h2>Connect</h2>
        <p>
          With the client you have. The name of the database is the name of the resource; the password is a token of
          <code>hp token</code>.
        </p>
        ${commands('PostgreSQL', [
          {
            text: `psql "host=${input.gateway.host} port=${input.gateway.port} dbname=RESOURCE user=YOU"`,
            note: 'or: hp psql RESOURCE, which brings the token by itself',
          },
        ])}`
    }
    <footer>
      <a href="/docs">The API</a><a href="/openapi.json">openapi.json</a><a href="/readyz">readyz</a
      ><a href="/metrics">metrics</a>
    </footer>
  </main>`
