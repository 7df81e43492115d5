import type { Html } from './html.ts'
import { html, Html as Raw } from './html.ts'
import { STYLE, STYLE_HASH } from './style.ts'

/** Two posts and a point: a pause, an H, a gate. */
export const MARK = new Raw(
  '<svg class="mark" viewBox="0 0 24 24" role="img" aria-label="Holdpoint"><rect class="post" x="3" y="2" width="4.5" height="20" rx="2.25"/><rect class="post" x="16.5" y="2" width="4.5" height="20" rx="2.25"/><circle class="point" cx="12" cy="12" r="3"/></svg>',
)
/** As a file of its own, for the browser's tab. */
export const FAVICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><style>.post{fill:#14181F}.point{fill:#C67700}@media (prefers-color-scheme:dark){.post{fill:#ECEFF4}.point{fill:#E09A26}}</style><rect class="post" x="3" y="2" width="4.5" height="20" rx="2.25"/><rect class="post" x="16.5" y="2" width="4.5" height="20" rx="2.25"/><circle class="point" cx="12" cy="12" r="3"/></svg>'

// Whole, so that no formatting of the template can part it from its hash.
const STYLE_ELEMENT = new Raw(`<style>${STYLE}</style>`)

/** No script, no frame, no form, nothing from anywhere else. */
const POLICY = `default-src 'none'; style-src ${STYLE_HASH}; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`

export interface PageInput {
  readonly title: string
  readonly demo: boolean
  readonly body: Html
  readonly status?: number
}

/** A page without script, as an answer. */
export function pageAnswer({ title, demo, body, status = 200 }: PageInput): Response {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
        ${STYLE_ELEMENT}
      </head>
      <body>
        <header class="top">
          <div>
            <a class="brand" href="/">${MARK}Holdpoint</a>${demo && html`<span class="tag">demo</span>`}
            <nav><a href="/docs">API</a><a href="/problems">Problems</a></nav>
          </div>
        </header>
        ${body}
      </body>
    </html> `
  return new Response(page.text, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': POLICY,
      'cache-control': 'no-store',
    },
  })
}

export interface Command {
  readonly text: string
  /** What it does, in a few words. */
  readonly note: string
}

/** Commands in the one frame of a page. A click selects a whole one, without script. */
export const commands = (title: string, list: readonly Command[]): Html =>
  html`<section class="runs">
    <header><b>${title}</b><span>a click selects a whole command</span></header>
    ${list.map(
      ({ text, note }) =>
        html`<pre><span class="note"># ${note}
</span><code>${text}</code></pre>`,
    )}
  </section>`
