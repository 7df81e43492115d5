import { ACCESS, PARTIES } from '../../contract/access.ts'
import type { Cell } from '../../contract/access.ts'
import type { Route } from '../../contract/route.ts'
import { routes } from '../../contract/routes.ts'
import type { OpenApi } from '../openapi.ts'
import type { Html } from './html.ts'
import { html } from './html.ts'
import { schemaFields } from './schema-fields.ts'

const CELLS: Readonly<Record<Cell, string>> = {
  yes: 'yes',
  own: 'own or assigned',
  second: 'with a second person',
  metadata: 'without the payload',
  no: 'no',
}

/** The documentation of the API, from the description that is made of the enforced schemas. */
export function docsPage(api: OpenApi): Html {
  const all = Object.entries(routes) as [string, Route][]
  const tags = [...new Set(all.map(([, route]) => route.tag))]
  const ofTag = (tag: string): [string, Route][] => all.filter(([, route]) => route.tag === tag)
  return html`<div class="docs">
    <nav aria-label="Operations">
      ${tags.map(
        (tag) =>
          html`<h2>${tag}</h2>
            ${ofTag(tag).map(([id, route]) => html`<a href="#${id}">${route.summary}</a>`)}`,
      )}
    </nav>
    <main>
      <h1>The API</h1>
      <p class="lead">
        Everything that <code>hp</code> does goes through here. This page,
        <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1) and what the server enforces come from the same schemas.
      </p>
      <h2>Calling</h2>
      <p>
        A token in <code>Authorization: Bearer …</code>, from <code>hp login</code>, <code>POST /v1/sign-in</code> or
        <code>POST /v1/tokens</code>. Bodies are JSON in UTF-8: no unknown fields, no key twice. Times are RFC 3339 in
        UTC, lengths of time are written <code>15m</code> or <code>1h30m</code>.
      </p>
      <section class="runs">
        <header><b>For example</b><span>a click selects it</span></header>
        <pre><code>curl -H "Authorization: Bearer $(cat token)" http://localhost:7400/v1/inbox</code></pre>
      </section>
      <h2>Refusals</h2>
      <p>
        Every error is a problem document (RFC 9457) with a <code>code</code> of a <a href="/problems">closed list</a>.
        What you may not see answers as if it did not exist. Every denial is recorded.
      </p>
      <h2>Again, safely</h2>
      <p>
        A changing call with <code>Idempotency-Key</code> has one effect, however often it is sent with the same body;
        the same key with another body is refused.
      </p>
      <h2>Pages and events</h2>
      <p>
        Give the <code>next</code> of a page back as <code>cursor</code>; it is signed and good for the same query only.
        Events resume with <code>Last-Event-ID</code> and miss nothing.
      </p>
      ${tags.map((tag) => ofTag(tag).map(([id, route]) => operation(id, route, api)))}
    </main>
  </div>`
}

interface Described {
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: unknown
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, Readonly<Record<string, unknown>>>> }>
  >
}

function operation(id: string, route: Route, api: OpenApi): Html {
  const described = api.paths[route.path]?.[route.method.toLowerCase()] as Described
  const { schemas } = api.components
  const body = described.requestBody?.content['application/json']?.schema
  const content = Object.values(described.responses[route.status]?.content ?? {})[0]
  const answer = content?.['x-event-data'] ?? content?.['schema']
  return html`<section class="op" id="${id}">
    <h3>${route.summary}</h3>
    <div class="path"><span class="verb ${route.method}">${route.method}</span>${route.path}</div>
    ${route.description !== undefined && html`<p>${route.description}</p>`}
    <dl>
      <dt>Token</dt>
      <dd>
        ${route.scopes === undefined ? 'none' : route.scopes.length === 0 ? 'any' : `scope all or ${route.scopes.join(', ')}`}
      </dd>
      ${route.access
        .filter((row) => row !== 'anyone')
        .map(
          (row) =>
            html`<dt>${row.replaceAll('_', ' ')}</dt>
              <dd class="cells">
                ${PARTIES.map((party) => html`<span>${party.replaceAll('_', ' ')} <b>${CELLS[ACCESS[row][party]]}</b></span>`)}
              </dd>`,
        )}
      ${
        route.idempotent === true &&
        html`<dt>Idempotency-Key</dt>
          <dd>honoured</dd>`
      }
    </dl>
    ${
      described.parameters.length > 0 &&
      html`<details>
        <summary>Parameters</summary>
        <ul class="fields">
          ${described.parameters.map(
            (parameter) =>
              html`<li>
                <code>${parameter.name}</code>
                <span class="type">in ${parameter.in}</span
                >${parameter.required && html` <span class="req">required</span>`}
                ${schemaFields(parameter.schema, schemas)}
              </li>`,
          )}
        </ul>
      </details>`
    }
    ${
      body !== undefined &&
      html`<details>
        <summary>Body</summary>
        ${schemaFields(body, schemas)}
      </details>`
    }
    ${
      answer === undefined
        ? html`<details><summary>${route.status}, without a body</summary></details>`
        : html`<details>
            <summary>${route.status}${route.stream === true ? ', a stream of' : ''}</summary>
            ${schemaFields(answer, schemas)}
          </details>`
    }
  </section>`
}
