import type { RequestId } from '../../domain/ids.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import { commands } from './page.ts'

const HELD = html`<span class="pill"
  ><svg viewBox="0 0 24 24" aria-hidden="true">
    <rect class="post" x="2" y="2" width="5" height="20" rx="2.5" />
    <rect class="post" x="17" y="2" width="5" height="20" rx="2.5" />
    <circle class="point" cx="12" cy="12" r="4" /></svg
  >Hold point</span
>`

/**
 * Where the link in a NOTICE leads. Whoever opens it has not signed in, so it says nothing of the request: not
 * who asked, not for what, and not whether there is one.
 */
export const requestPage = (id: RequestId, demo: boolean): Html =>
  html`<main>
    <div class="over">${HELD}<span>shown without a sign-in, so without what was asked</span></div>
    <h1>${id} is looked at and answered from a terminal</h1>
    <p class="lead">
      Somebody asked for something that needs agreement. A statement waits inside their own client: approve, and it runs
      once, at once, there. Deny, and they read your words. When the time is up, nothing runs.
    </p>

    <h2>You were asked</h2>
    <p>Look first: the whole statement, what it touches, why it is held and who else is asked.</p>
    ${commands('In your terminal', [
      { text: `hp review ${id}`, note: 'look' },
      { text: `hp review ${id} --approve`, note: 'approve exactly what was shown' },
      { text: `hp review ${id} --approve --rows 1500`, note: 'approve at most so many rows; more roll it back' },
      { text: `hp review ${id} --deny -m "..."`, note: 'deny, with words for the one who asked' },
    ])}
    ${demo && html`<p>In the demo, take on one of its people: <code>./hp --as mia review ${id}</code></p>`}

    <h2>You asked</h2>
    ${commands('In your terminal', [
      { text: `hp wait ${id}`, note: 'until it is decided; the exit code says how' },
      { text: `hp withdraw ${id}`, note: 'take it back; so does Ctrl-C in the client that waits' },
      { text: `hp policy explain ${id}`, note: 'why it is held' },
    ])}

    <h2>Rules that hold for everyone</h2>
    <table>
      <tr>
        <td>Your own</td>
        <td>Nobody approves what they asked for, and no agent approves anything.</td>
      </tr>
      <tr>
        <td>Bound</td>
        <td>An approval of a statement covers it byte for byte, in its session. A changed one is held anew.</td>
      </tr>
      <tr>
        <td>Recorded</td>
        <td>Who asked and who answered is in the record before anything runs; what ran, right after.</td>
      </tr>
    </table>
    <footer>
      <span>The same by API: <code>GET /v1/requests/${id}</code></span
      ><a href="/docs#getRequest">documentation</a>
    </footer>
  </main>`
