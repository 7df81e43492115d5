import type { Html } from './html.ts'
import { html } from './html.ts'

interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly default?: unknown
  readonly description?: string
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
  readonly items?: unknown
  readonly anyOf?: readonly unknown[]
  readonly oneOf?: readonly unknown[]
  readonly additionalProperties?: unknown
}
type Named = Readonly<Record<string, unknown>>

/** Nests no deeper than this; what lies below is in openapi.json. */
const DEEPEST = 4

/** A JSON Schema as a nested list of fields, for people. */
export function schemaFields(schema: unknown, named: Named, depth = 0): Html {
  const found = resolve(schema, named)
  const variants = found.anyOf ?? found.oneOf
  if (variants !== undefined && depth < DEEPEST) {
    return html`<ul class="fields">
      ${variants.map((variant) => html`<li><span class="type">either</span> ${schemaFields(variant, named, depth + 1)}</li>`)}
    </ul>`
  }
  if (found.type === 'array') return html`<span class="type">list of</span> ${schemaFields(found.items, named, depth)}`
  if (found.properties === undefined || depth >= DEEPEST)
    return html`<span class="type">${typeName(found)}</span>${about(found)}`
  const required = new Set(found.required)
  return html`<ul class="fields">
    ${Object.entries(found.properties).map(
      ([name, field]) =>
        html`<li>
          <code>${name}</code>${required.has(name) && html` <span class="req">required</span>`}
          ${schemaFields(field, named, depth + 1)}
        </li>`,
    )}
  </ul>`
}

function resolve(schema: unknown, named: Named): Schema {
  const found = (schema ?? {}) as Schema
  if (found.$ref === undefined) return found
  return resolve(named[found.$ref.split('/').at(-1) ?? ''], named)
}

function typeName(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.type === 'object') return 'object'
  return schema.format ?? schema.type ?? 'any'
}

const about = (schema: Schema): Html =>
  html`${schema.default !== undefined && html` <span class="type">default ${JSON.stringify(schema.default)}</span>`}${
    schema.examples?.[0] !== undefined && html` <span class="type">such as ${JSON.stringify(schema.examples[0])}</span>`
  }${schema.description !== undefined && html` <span class="type">${schema.description}</span>`}`
