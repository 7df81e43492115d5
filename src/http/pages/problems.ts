import { PROBLEMS, isProblemCode } from '../problems.ts'
import type { ProblemCode } from '../problems.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'

const codes = Object.keys(PROBLEMS).filter(isProblemCode).sort()

/** Every code that a problem document may carry. */
export const problemsPage = (): Html =>
  html`<main>
    <h1>Problems</h1>
    <p class="lead">
      Every refusal and every error of the API is a problem document (RFC 9457). Programs switch on <code>code</code>;
      the list is closed.
    </p>
    <table>
      <tr>
        <th>Code</th>
        <th>Status</th>
        <th>Means</th>
      </tr>
      ${codes.map(
        (code) =>
          html`<tr>
            <td>
              <a href="/problems/${code}"><code>${code}</code></a>
            </td>
            <td>${PROBLEMS[code].status}</td>
            <td>${PROBLEMS[code].title}</td>
          </tr>`,
      )}
    </table>
  </main>`

/** What the `type` of a problem document resolves to. */
export function problemPage(code: ProblemCode): Html {
  const { status, title, hint } = PROBLEMS[code]
  return html`<main>
    <div class="over">
      <span class="pill ${status === 403 || status >= 500 ? 'no' : 'end'}">${status}</span><code>${code}</code>
    </div>
    <h1>${title}</h1>
    ${hint !== undefined && html`<p class="lead">${hint}</p>`}
    <h2>In an answer</h2>
    <p>
      The field <code>detail</code> says what is true of the case, <code>errors</code> which fields of the input are
      wrong, and <code>instance</code> is the id under which the server logged it.
    </p>
    <footer><a href="/problems">All problems</a><a href="/docs">The API</a></footer>
  </main>`
}
