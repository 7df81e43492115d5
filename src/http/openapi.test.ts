import { describe, expect, expectTypeOf, it } from 'vitest'
import { fakeApp } from '../../test/support/fake-app.ts'
import { startHttp } from '../../test/support/http.ts'
import type { TokenScope as AppScope } from '../app/app.ts'
import { TOKEN_SCOPES as APP_SCOPES } from '../app/app.ts'
import { ACCESS, PARTIES } from '../contract/access.ts'
import { TOKEN_SCOPES } from '../contract/people.ts'
import type { TokenScope } from '../contract/people.ts'
import { routes } from '../contract/routes.ts'
import { handlers } from './handlers/index.ts'
import { openApi } from './openapi.ts'
import { STYLE_HASH } from './pages/style.ts'
import { PROBLEMS } from './problems.ts'

const api = openApi('0.0.0')

/** Every `$ref` in a document. */
const references = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : references(inner)))

describe('the route table', () => {
  it('names rows of the access table for every route, each with a cell for every party', () => {
    for (const [id, { access }] of Object.entries(routes)) {
      expect({ id, rows: access.length > 0 }).toEqual({ id, rows: true })
      for (const row of access) expect(Object.keys(ACCESS[row])).toEqual([...PARTIES])
    }
  })

  it('lets nobody change a state, and no agent, machine or auditor approve', () => {
    expect(new Set(Object.values(ACCESS.set_state))).toEqual(new Set(['no']))
    for (const party of ['agent', 'machine', 'auditor', 'policy_admin'] as const)
      expect(ACCESS.approve[party]).toBe('no')
  })

  it('has one handler for each operation, and no other', () => {
    expect(Object.keys({ ...handlers, followEvents: true }).sort()).toEqual(Object.keys(routes).sort())
  })

  it('asks for a token everywhere but where nobody can have one', () => {
    const open = Object.entries(routes).filter(([, route]) => !('scopes' in route))
    expect(open.map(([id]) => id).sort()).toEqual(['getInfo', 'setup', 'signIn'])
    for (const [, route] of open) expect(route.access).toEqual(['anyone'])
  })

  it('has the same scopes as the application', () => {
    expect(TOKEN_SCOPES).toEqual(APP_SCOPES)
    expectTypeOf<TokenScope>().toEqualTypeOf<AppScope>()
  })
})

describe('openapi.json', () => {
  it('describes exactly the routes there are', () => {
    const described = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual(
      Object.values(routes)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    )
  })

  it('refers only to what it defines', () => {
    for (const reference of new Set(references(api))) {
      const [section, name] = reference.replace('#/components/', '').split('/')
      expect(Object.keys(api.components[section as 'schemas'])).toContain(name)
    }
  })

  it('closes bodies and leaves answers open', () => {
    expect(api.components.schemas['ReviewInput']).toMatchObject({
      additionalProperties: false,
      required: ['verdict', 'digest'],
    })
    expect(api.components.schemas['AccessRequest']).not.toHaveProperty('additionalProperties')
  })

  it('names every parameter of a path', () => {
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const operation of Object.values(methods) as {
        readonly parameters: readonly { readonly in: string; readonly name: string }[]
      }[]) {
        const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
        expect(named).toEqual([...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name))
      }
    }
  })
})

describe('pages', () => {
  it('have the one style that their policy allows, no script, and nothing from outside', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    for (const path of ['/', '/docs', '/r/HP-142', '/problems', '/problems/self_review']) {
      const response = await http.send('GET', path)
      expect(response.headers.get('content-security-policy')).toContain(`style-src ${STYLE_HASH}`)
      const page = await response.text()
      expect(page).toMatch(/<style>[^<]*<\/style>/)
      expect(page).not.toMatch(/<script|<iframe|<form|\son[a-z]+=|style="|@import|url\(/i)
      expect(
        [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to).filter((to) => !/^[/#]/.test(to ?? '')),
      ).toEqual([])
      const style = /<style>([^]*)<\/style>/.exec(page)?.[1] ?? ''
      const hash = Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style))).toString(
        'base64',
      )
      expect(STYLE_HASH).toBe(`'sha256-${hash}'`)
    }
  })

  it('show of a request nothing but the id in the address', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const page = await (await http.send('GET', '/r/hp-142')).text()
    expect(page).toContain('hp review HP-142 --approve')
    expect((await (await http.send('GET', '/r/HP-143')).text()).replaceAll('143', '142')).toBe(page)
    for (const path of ['/r/HP-0', '/r/x', "/r/HP-1'", '/r/HP-1;ls'])
      expect((await http.send('GET', path)).status).toBe(404)
  })

  it('exist for every problem there is, and link to each other', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const list = await (await http.send('GET', '/problems')).text()
    for (const code of Object.keys(PROBLEMS)) {
      expect(list).toContain(`/problems/${code}"`)
      expect((await http.send('GET', `/problems/${code}`)).status).toBe(200)
    }
    expect((await http.send('GET', '/problems/toString')).status).toBe(404)
  })

  it('document every operation', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const page = await (await http.send('GET', '/docs')).text()
    for (const [id, { path }] of Object.entries(routes)) {
      expect(page).toContain(`id="${id}"`)
      expect(page).toContain(path)
    }
  })

  it('say what is wrong when the store does not answer', async () => {
    const { app } = fakeApp({ readiness: async () => Promise.reject(new Error('no store')) })
    await using http = await startHttp(app)
    const response = await http.send('GET', '/')
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('Not ready')
  })

  it('serve the schema of a kind of document', async () => {
    const { app } = fakeApp()
    await using http = await startHttp(app)
    const response = await http.send('GET', '/schemas/resource.json')
    expect([response.status, await response.json()]).toEqual([200, { title: 'Resource' }])
    for (const path of ['/schemas/nothing.json', '/schemas/constructor.json', '/schemas/resource']) {
      expect((await http.send('GET', path)).status).toBe(404)
    }
  })
})
